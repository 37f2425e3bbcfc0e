import { lstatSync } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { constants } from 'node:os'
import path from 'node:path'
import { LitestreamError } from '../../../errors.js'
import { makeDirectory } from '../../../fs/directory.js'
import { fsError, isErrno } from '../../../fs/fs-error.js'
import { openOwn } from '../../../fs/open-for-writing.js'
import { resolveTarget } from '../../../fs/target.js'
import { temporaryPath } from '../../../fs/temporary.js'
import { native } from '../../../native/addon.js'
import type { NativeHydratedFile } from '../../../native/replica.js'
import { systemError } from '../../../util/system-error.js'
import { metaPath } from './meta-format.js'

/** The result of writing frames to the local copy. */
export interface Written {
  /** Index of the first damaged frame, or -1 if no frame is damaged. */
  readonly damaged: number
  /**
   * The CRC of all frames, in a form that can be combined to the file checksum. `length` is the
   * number of bytes that the CRC covers.
   */
  readonly crc: bigint
  readonly length: number
}

/** The open file of a local copy. Each error that a CopyFile throws names the file. */
export class CopyFile {
  readonly handle: NativeHydratedFile
  readonly #path: string
  /** Device and inode of the file. */
  readonly #identity: string | undefined
  /** Number of pages for which the file is large enough. */
  #capacity = 0
  #closed = false

  private constructor(path: string, handle: NativeHydratedFile) {
    this.#path = path
    this.handle = handle
    this.#identity = identityOf(path)
  }

  /**
   * Creates the folder and the file of a local copy if they do not exist. Only its owner can read a
   * new local copy. Returns the path of the local copy. Symbolic links in the path are resolved. A
   * file that has content but no meta file is not a local copy and must not be replaced, so
   * `prepare` throws HYDRATION_CONFLICT.
   */
  static async prepare(file: string): Promise<string> {
    try {
      const absolute = path.resolve(file)
      await makeDirectory(path.dirname(absolute))
      const { path: real, stats } = await resolveTarget(absolute)
      if (!stats) await (await openOwn(real)).close()
      else if (stats.size > 0 && !(await exists(metaPath(real)))) throw foreign(file)
      return real
    } catch (error) {
      throw fsError(error, 'preparing', file)
    }
  }

  /**
   * Opens the file of a local copy. With `fresh`, the local copy begins with an empty file. Throws
   * HYDRATION_CONFLICT if another process or replica fills the same file.
   */
  static open(replica: number, file: string, pageSize: number, fresh: boolean): CopyFile {
    const handle = native.openHydrated(replica, file, temporaryPath(file), pageSize, fresh)
    if (typeof handle !== 'number') return new CopyFile(file, handle)
    if (handle !== constants.errno.EAGAIN) throw fsError(systemError(handle, 'open'), 'opening', file)
    throw new LitestreamError('HYDRATION_CONFLICT', `another replica or process is filling ${file}`, {
      file,
      hint: 'Set a different hydration_path for each replica and each process.',
    })
  }

  /**
   * Returns how another program has changed the file. Returns undefined if the file is unchanged.
   */
  changed(): 'changed' | 'removed' | 'replaced' | undefined {
    if (!native.hydratedIntact(this.handle)) return 'changed'
    const found = identityOf(this.#path)
    if (found === this.#identity) return undefined
    return found === undefined ? 'removed' : 'replaced'
  }

  get closed(): boolean {
    return this.#closed
  }

  resize(commit: number): void {
    if (commit <= this.#capacity) return
    this.#check(native.resizeHydrated(this.handle, commit), 'enlarging', 'ftruncate')
    this.#capacity = commit
  }

  /**
   * Writes frames of `source`. Each entry of `frames` consists of the offset in `source`, the size,
   * the page number, and 1 if the page is written.
   */
  async write(source: Uint8Array, frames: Uint32Array): Promise<Written> {
    const [errno, damaged, crc, length] = await native.writeHydrated(this.handle, source, frames)
    this.#check(errno, 'writing', 'write')
    return { damaged, crc, length }
  }

  async sync(): Promise<void> {
    this.#check(await native.syncHydrated(this.handle), 'syncing', 'fsync')
  }

  /** Releases the file of the local copy. Views that read from the file keep the file open. */
  close(): void {
    this.#closed = true
    native.closeHydrated(this.handle)
  }

  #check(errno: number, doing: string, syscall: string): void {
    if (errno !== 0) throw fsError(systemError(errno, syscall), doing, this.#path)
  }
}

function identityOf(file: string): string | undefined {
  const stats = lstatSync(file, { throwIfNoEntry: false })
  return stats && `${stats.dev}/${stats.ino}`
}

async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

function foreign(file: string): LitestreamError {
  return new LitestreamError(
    'HYDRATION_CONFLICT',
    `${file} is not a local copy of a replica: the file ${path.basename(metaPath(file))} is missing beside ${file}`,
    { file, hint: 'Set hydration_path to a path at which no file exists, or delete the file at this path.' },
  )
}
