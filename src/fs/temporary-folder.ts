import { mkdtemp, open, rm, stat } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import path from 'node:path'
import { native } from '../native/addon.js'
import { isErrno } from './fs-error.js'
import { namesIn } from './names-in.js'

/**
 * Name of the lock file in a temporary folder. The process that created the folder holds the lock.
 */
const LOCK = 'lock'
/**
 * Age in milliseconds after which a temporary folder without a lock file counts as abandoned. The
 * process that created an abandoned folder was killed.
 */
const ABANDONED_AFTER = 3_600_000

const { EAGAIN, EWOULDBLOCK } = constants.errno

/**
 * A folder in the operating system's directory for temporary files. Only the user of the process
 * can read the folder. `remove` removes the folder. If the process is killed, a later call of
 * `create` with the same prefix removes the folder.
 */
export class TemporaryFolder {
  readonly path: string
  readonly #lock: Awaited<ReturnType<typeof open>>

  private constructor(folder: string, lock: Awaited<ReturnType<typeof open>>) {
    this.path = folder
    this.#lock = lock
  }

  /** Creates a temporary folder. Throws errors of the operating system unchanged. */
  static async create(prefix: string): Promise<TemporaryFolder> {
    await sweep(tmpdir(), prefix)
    const folder = await mkdtemp(path.join(tmpdir(), prefix))
    const lock = await open(path.join(folder, LOCK), 'wx', 0o600)
    // On a file system without locks, tryLockFile throws, and the folder is used without the lock.
    // Other processes do not remove the folder, even if it is not locked.
    native.tryLockFile(lock.fd)
    return new TemporaryFolder(folder, lock)
  }

  async remove(): Promise<void> {
    await this.#lock.close()
    await rm(this.path, { recursive: true, force: true })
  }
}

/** Removes the temporary folders of this user whose processes have ended. */
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
