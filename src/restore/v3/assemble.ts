import type { FileHandle } from 'node:fs/promises'
import { LitestreamError } from '../../errors.js'
import { createFile, openForUpdate } from '../../fs/open-for-writing.js'
import { removeFile } from '../../fs/remove.js'
import { corrupt } from '../../ltx/corrupt.js'
import { findDriver } from '../../sqlite/find-driver.js'
import type { LegacyObjects } from '../../storage/replica-client.js'
import { throwIfAborted } from '../../util/abort.js'
import { DATABASE_HEADER_SIZE, isDatabase } from './database-header.js'
import { decodeLz4Frames } from './lz4-frames.js'
import { checkContinues, type V3Plan, type V3Segment } from './objects.js'
import { V3WalCheck } from './wal-check.js'

export interface V3AssemblyOptions {
  readonly signal: AbortSignal
  /** Called with the number of processed objects and the number of all objects. */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * Restores a database of Litestream 0.3's format into the file at `path`. The file must exist. The
 * restore first writes the snapshot. After that, SQLite itself copies the WAL of each index into
 * the database. The indexes are processed in order. SQLite ignores frames after the last commit of
 * a WAL.
 */
export async function assembleV3(
  objects: LegacyObjects,
  plan: V3Plan,
  path: string,
  options: V3AssemblyOptions,
): Promise<void> {
  const { signal, onProgress } = options
  const total = 1 + plan.segments.length
  let done = 0
  const append = async (name: string, handle: FileHandle, check?: V3WalCheck): Promise<number> => {
    throwIfAborted(signal, `restoring ${path}`)
    for await (const bytes of decodeLz4Frames(objects.stream(name, { signal }), name)) {
      check?.add(bytes)
      await handle.writeFile(bytes)
    }
    onProgress?.(++done, total)
    return (await handle.stat()).size
  }
  let size = await using(openForUpdate(path), (database) => append(plan.snapshot.name, database))
  for (let i = 0; i < plan.segments.length; ) {
    const { index, name } = plan.segments[i]!
    const check = new V3WalCheck(name)
    // SQLite has already copied the WAL of the previous index into the database, and has emptied or
    // removed that WAL.
    await removeFile(`${path}-wal`)
    await using(createFile(`${path}-wal`), async (wal) => {
      for (let end = 0; plan.segments[i]?.index === index; i++) {
        const segment: V3Segment = plan.segments[i]!
        checkContinues(segment, end)
        end = await append(segment.name, wal, check)
      }
    })
    size = check.end(size)
    applyWal(path, name)
  }
  await using(openForUpdate(path), async (database) => {
    const head = Buffer.alloc(DATABASE_HEADER_SIZE)
    await database.read(head, 0, head.length, 0)
    if (isDatabase(head, (await database.stat()).size)) return
    throw corrupt('the snapshot with its WAL is not a valid SQLite database', plan.snapshot.name, 0)
  })
}

async function using<T>(opened: Promise<FileHandle>, act: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await opened
  try {
    return await act(handle)
  } finally {
    await handle.close()
  }
}

/**
 * Lets SQLite copy a WAL into the database at `path`. Error messages contain `wal`, the name of the
 * first segment of the WAL, because `path` is only a temporary file.
 */
function applyWal(path: string, wal: string): void {
  const db = findDriver().open(path)
  try {
    if (db.value('PRAGMA wal_checkpoint(TRUNCATE)') !== 0)
      throw new LitestreamError('DATABASE_BUSY', `${path} is in use while it is being restored`, { file: path })
  } catch (cause) {
    if (cause instanceof LitestreamError) throw cause
    throw new LitestreamError('LTX_CORRUPT', `${wal}: SQLite cannot apply the WAL: ${(cause as Error).message}`, {
      file: wal,
      cause,
    })
  } finally {
    db.close()
  }
}
