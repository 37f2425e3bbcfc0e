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

/** Between two attempts to take a lock, milliseconds. */
const RETRY = 100

const { EAGAIN, EWOULDBLOCK, ENOLCK, ENOTSUP, EOPNOTSUPP, ENOSYS, EINVAL } = os.constants.errno
/** A file system without locks: writers are then kept apart by their temporary names alone. */
const NO_LOCKS: readonly number[] = [ENOLCK, ENOTSUP, EOPNOTSUPP, ENOSYS, EINVAL]

export interface TargetLockOptions {
  /** What holders of the lock do with the target, for messages; default: 'restored'. */
  readonly use?: 'restored' | 'written'
  /** Wait for the holder, until `signal` is aborted. Otherwise a lock that is taken is an error at once. */
  readonly wait: boolean
  readonly signal: AbortSignal
  /** Called once, before it waits. */
  readonly onWait?: () => void
}

/** The name of the lock of a target, in the target's folder. */
export function lockPathOf(target: string): string {
  return path.join(path.dirname(target), `.${stem(target)}-restore.lock`)
}

/**
 * Excludes other writers of a target, also of other processes and, on network file systems with locks, other hosts: flock(2) on a
 * file beside the target. The kernel releases it with the process that has it, however that ends; the file that a killed process
 * leaves is taken over and removed by the next one.
 */
export class TargetLock {
  readonly #path: string
  readonly #handle: FileHandle

  private constructor(path: string, handle: FileHandle) {
    this.#path = path
    this.#handle = handle
  }

  /** `target`: the real file, see resolveTarget; its folder must exist. Throws OUTPUT_BUSY, ABORTED. */
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
          // The holder before may have removed the file after it was opened here.
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
  // Non-blocking, so that a FIFO under this name does not stop the process.
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
    hint: 'Remove it.',
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

/** For the message of a process that finds it locked. The user must be able to remove the file that root leaves after a crash. */
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
    hint: 'Wait until that process has ended, or choose another path.',
  })
}
