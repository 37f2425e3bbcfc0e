import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import os, { hostname } from 'node:os'
import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { native } from '../native/addon.js'
import { throwIfAborted } from '../util/abort.js'
import { pause } from '../util/pause.js'
import { systemError } from '../util/system-error.js'
import { fsError, isErrno } from './fs-error.js'
import { kindOf } from './kind.js'
import { giveToOwnerOf } from './owner.js'
import { removeFile } from './remove.js'
import { stem } from './temporary.js'

/** Milliseconds between two attempts to take a lock that another process holds. */
const RETRY = 100

const { EAGAIN, EWOULDBLOCK, ENOLCK, ENOTSUP, EOPNOTSUPP, ENOSYS, EINVAL } = os.constants.errno
/**
 * Errors of a file system without locks. On a file system without locks, writers of one target do
 * not exclude each other, but each writer has its own temporary file.
 */
const NO_LOCKS: readonly number[] = [ENOLCK, ENOTSUP, EOPNOTSUPP, ENOSYS, EINVAL]

export interface TargetLockOptions {
  /**
   * The participle that the error message contains, as in "is being restored" (default 'restored').
   */
  readonly use?: 'restored' | 'written'
  /**
   * Whether `acquire` waits if another process holds the lock. If `wait` is false, `acquire` fails
   * immediately if another process holds the lock.
   */
  readonly wait: boolean
  readonly signal: AbortSignal
  /** Called once, before `acquire` waits for another process. */
  readonly onWait?: () => void
}

/** Returns the path of the lock file of `target`. The lock file is in the folder of `target`. */
export function lockPathOf(target: string): string {
  return path.join(path.dirname(target), `.${stem(target)}-restore.lock`)
}

/**
 * An exclusive lock of a target file. TargetLock uses flock(2) on a lock file in the folder of the
 * target. The lock excludes other writers in this process and in other processes. On a network file
 * system with locks, the lock also excludes writers on other hosts. The kernel releases the lock
 * when the process ends. If a process is killed, its lock file remains, and the next process that
 * locks the target removes the lock file.
 */
export class TargetLock {
  readonly #path: string
  readonly #handle: FileHandle

  private constructor(path: string, handle: FileHandle) {
    this.#path = path
    this.#handle = handle
  }

  /**
   * Locks `target`. `target` must be a real path (see resolveTarget), and its folder must exist.
   * Throws OUTPUT_BUSY or ABORTED.
   */
  static async acquire(
    target: string,
    { use = 'restored', wait, signal, onWait }: TargetLockOptions,
  ): Promise<TargetLock> {
    const file = lockPathOf(target)
    for (let waiting = false; ; ) {
      throwIfAborted(signal, `waiting for ${target}`)
      const handle = await openLock(file)
      try {
        const errno = native.tryLockFile(handle.fd)
        if (errno === 0 || NO_LOCKS.includes(errno)) {
          // The previous holder of the lock may have removed the lock file after this process
          // opened it.
          if (await isNamed(handle, file)) {
            await describeHolder(handle, path.dirname(file))
            return new TargetLock(file, handle)
          }
          await handle.close()
          continue
        }
        if (errno !== EAGAIN && errno !== EWOULDBLOCK) throw fsError(systemError(errno, 'flock'), 'locking', file)
        if (!wait) throw await busy(target, use, handle)
      } catch (error) {
        await handle.close()
        throw error
      }
      await handle.close()
      if (!waiting) onWait?.()
      waiting = true
      await pause(RETRY, signal)
    }
  }

  async release(): Promise<void> {
    try {
      await removeFile(this.#path)
    } finally {
      await this.#handle.close()
    }
  }
}

async function openLock(file: string): Promise<FileHandle> {
  // With O_NONBLOCK, a named pipe at the path of the lock file does not block the process.
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK
  let handle: FileHandle
  try {
    handle = await open(file, flags, 0o600)
  } catch (error) {
    throw fsError(error, 'creating the lock file', file)
  }
  const stats = await handle.stat()
  if (stats.isFile()) return handle
  await handle.close()
  throw new LitestreamError('OUTPUT_EXISTS', `the lock file ${file} is ${kindOf(stats)}`, {
    file,
    hint: `Remove ${file}: the lock file must be a regular file.`,
  })
}

async function isNamed(handle: FileHandle, file: string): Promise<boolean> {
  try {
    const [opened, named] = await Promise.all([handle.stat({ bigint: true }), stat(file, { bigint: true })])
    return opened.ino === named.ino && opened.dev === named.dev
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

/**
 * Writes the process ID and the host name into the lock file, so that another process can show them
 * in its error message. Gives the lock file to the owner of the folder, so that this user can
 * remove the file after a crash.
 */
async function describeHolder(handle: FileHandle, directory: string): Promise<void> {
  await giveToOwnerOf(directory, handle)
  await handle.truncate(0)
  await handle.write(`process ${process.pid} on ${hostname()}`, 0)
}

async function busy(target: string, use: string, handle: FileHandle): Promise<LitestreamError> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(256), 0, 256, 0)
  const holder = buffer.toString('utf8', 0, bytesRead) || 'another process'
  return new LitestreamError('OUTPUT_BUSY', `${target} is being ${use} by ${holder}`, {
    file: target,
    hint: 'Wait until the process that writes to this path has ended, or choose another path.',
  })
}
