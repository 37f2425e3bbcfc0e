import { mkdtemp, open, rm, stat } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import path from 'node:path'
import { native } from '../native/addon.js'
import { isErrno } from './fs-error.js'
import { namesIn } from './names-in.js'

/** The file in a folder that its process has locked. */
const LOCK = 'lock'
/**
 * A folder that has had no lock file for this time, in milliseconds, is taken for that of a killed
 * process.
 */
const ABANDONED_AFTER = 3_600_000

const { EAGAIN, EWOULDBLOCK } = constants.errno

/**
 * A folder below the system's folder for temporary files, which only this user can read. `remove`
 * removes it; if the process is killed, the next process that creates one with this prefix does.
 */
export class TemporaryFolder {
  readonly path: string
  readonly #lock: Awaited<ReturnType<typeof open>>

  private constructor(folder: string, lock: Awaited<ReturnType<typeof open>>) {
    this.path = folder
    this.#lock = lock
  }

  /** Errors of the system are thrown unchanged. */
  static async create(prefix: string): Promise<TemporaryFolder> {
    await sweep(tmpdir(), prefix)
    const folder = await mkdtemp(path.join(tmpdir(), prefix))
    const lock = await open(path.join(folder, LOCK), 'wx', 0o600)
    // On a file system without locks, a folder is only removed by its own process.
    native.tryLockFile(lock.fd)
    return new TemporaryFolder(folder, lock)
  }

  async remove(): Promise<void> {
    await this.#lock.close()
    await rm(this.path, { recursive: true, force: true })
  }
}

/** Removes the folders of processes that have ended. Those of other users stay. */
async function sweep(directory: string, prefix: string): Promise<void> {
  for (const name of await namesIn(directory, (one) => one.startsWith(prefix))) {
    const folder = path.join(directory, name)
    try {
      if (await isAbandoned(folder)) await rm(folder, { recursive: true, force: true })
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP')) throw error
    }
  }
}

async function isAbandoned(folder: string): Promise<boolean> {
  const { uid, mtimeMs } = await stat(folder)
  if (process.getuid !== undefined && uid !== process.getuid()) return false
  let lock: Awaited<ReturnType<typeof open>>
  try {
    lock = await open(path.join(folder, LOCK), 'r+')
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
    return mtimeMs < Date.now() - ABANDONED_AFTER
  }
  try {
    const errno = native.tryLockFile(lock.fd)
    if (errno !== 0 && errno !== EAGAIN && errno !== EWOULDBLOCK) return false
    return errno === 0
  } finally {
    await lock.close()
  }
}
