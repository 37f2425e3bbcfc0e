import { corrupt } from '../../ltx/corrupt.js'
import type { LegacyObjects } from '../../storage/replica-client.js'
import { throwIfAborted } from '../../util/abort.js'
import type { V3AssemblyOptions } from './assemble.js'
import { DATABASE_HEADER_SIZE, isDatabase } from './database-header.js'
import { decodeLz4Frames } from './lz4-frames.js'
import { checkContinues, type V3Plan } from './objects.js'
import { V3WalCheck } from './wal-check.js'

/**
 * Reads all objects that a restore from Litestream 0.3's format would read, and writes no file. The
 * checksums of the snapshot and of the WAL segments are verified. The snapshot must be an SQLite
 * database. Each WAL must be free of gaps, and SQLite must be able to apply each WAL. Returns the
 * total bytes of the database and of the WALs. Throws LTX_CORRUPT, LTX_GAP, and errors of the
 * store.
 */
export async function verifyV3(objects: LegacyObjects, plan: V3Plan, options: V3AssemblyOptions): Promise<number> {
  const { signal, onProgress } = options
  const total = 1 + plan.segments.length
  let done = 0
  const read = async (name: string, take: (bytes: Uint8Array, offset: number) => void): Promise<number> => {
    throwIfAborted(signal, `verifying ${name}`)
    let size = 0
    for await (const bytes of decodeLz4Frames(objects.stream(name, { signal }), name)) {
      take(bytes, size)
      size += bytes.length
    }
    onProgress?.(++done, total)
    return size
  }
  const { name } = plan.snapshot
  const head = Buffer.alloc(DATABASE_HEADER_SIZE)
  let bytes = await read(name, (piece, offset) => {
    if (offset < head.length) head.set(piece.subarray(0, head.length - offset), offset)
  })
  if (!isDatabase(head, bytes)) throw corrupt('the snapshot is not an SQLite database', name, 0)
  let size = bytes
  for (let i = 0; i < plan.segments.length; ) {
    const { index, name: first } = plan.segments[i]!
    const wal = new V3WalCheck(first)
    for (let end = 0; plan.segments[i]?.index === index; i++) {
      const segment = plan.segments[i]!
      checkContinues(segment, end)
      end += await read(segment.name, (piece) => wal.add(piece))
      if (plan.segments[i + 1]?.index !== index) bytes += end
    }
    size = wal.end(size)
  }
  return bytes
}
