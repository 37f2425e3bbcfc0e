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

/** The result of writing frames. */
export interface Written {
  /** Index of a damaged frame, or -1. */
  readonly damaged: number
  /**
   * The CRC of all frames, as a file checksum counts them, and the number of bytes that it covers.
   */
  readonly crc: bigint
  readonly length: number
}

/** The open file of a local copy. Errors name the file. */
export class CopyFile {
  readonly handle: NativeHydratedFile
  readonly #path: string
  /** Device and inode. */
  readonly #identity: string | undefined
  /** Number of pages that fit into the file. */
  #capacity = 0
  #closed = false

  private constructor(path: string, handle: NativeHydratedFile) {
    this.#path = path
    this.handle = handle
    this.#identity = identityOf(path)
  }

  /**
   * Creates the folder and the file, readable only by its owner, if they do not exist. Returns the
   * real path, with symbolic links resolved. Throws HYDRATION_CONFLICT if the file has content but
   * no meta file: it is not a local copy, and must not be replaced.
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
   * `fresh`: begins with an empty file. Throws HYDRATION_CONFLICT if another process or replica
   * fills the same file.
   */
  static open(replica: number, file: string, pageSize: number, fresh: boolean): CopyFile {
    const handle = native.openHydrated(replica, file, temporaryPath(file), pageSize, fresh)
    if (typeof handle !== 'number') return new CopyFile(file, handle)
    if (handle !== constants.errno.EAGAIN) throw fsError(systemError(handle, 'open'), 'opening', file)
    throw new LitestreamError('HYDRATION_CONFLICT', `another replica or process is filling ${file}`, {
      file,
      hint: 'Give each process its own hydration_path.',
    })
  }

  /** How another program has changed the file; undefined if it did not. */
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

  /** `frames`: [offset in `source`, size, pgno, 1 if its page is written] each. */
  async write(source: Uint8Array, frames: Uint32Array): Promise<Written> {
    const [errno, damaged, crc, length] = await native.writeHydrated(this.handle, source, frames)
    this.#check(errno, 'writing', 'write')
    return { damaged, crc, length }
  }

  async sync(): Promise<void> {
    this.#check(await native.syncHydrated(this.handle), 'syncing', 'fsync')
  }

  /** Views that read from the file keep it open. */
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
    `${file} exists, but it is not a local copy of a replica: ${path.basename(metaPath(file))} is missing beside it`,
    { file, hint: 'Choose a hydration_path that does not exist, or delete the file.' },
  )
}
