import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs'
import { LitestreamError } from '../errors.js'
import { isErrno } from './fs-error.js'
import { kindOf } from './kind.js'

// Without node:fs/promises, which takes a millisecond to load in each thread.

const { O_NONBLOCK, O_NOCTTY, O_RDONLY } = constants

/**
 * Maximum size in bytes of a small file (a key, a certificate, a lock) that is read whole; the
 * default of `readRegular`.
 */
export const SMALL_FILE = 1024 * 1024

/** `openRegular` for code that cannot wait. Returns the descriptor. */
export function openRegularSync(file: string, flags: number = O_RDONLY, mode = 0o666): number {
  let fd: number
  try {
    fd = openSync(file, flags | O_NONBLOCK | O_NOCTTY, mode)
  } catch (error) {
    if (isErrno(error, 'ENXIO')) throw notRegular(file, statSync(file))
    if (!isErrno(error, 'EAGAIN') || !statSync(file).isFile()) throw error
    fd = openSync(file, flags, mode)
  }
  try {
    checkRegular(file, fstatSync(fd))
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** `readRegular` for code that cannot wait. */
export function readRegularSync(file: string, limit = SMALL_FILE): Buffer {
  const fd = openRegularSync(file)
  try {
    const data = Buffer.allocUnsafe(roomFor(fstatSync(fd), file, limit))
    let length = 0
    while (length < data.length) {
      const bytesRead = readSync(fd, data, length, data.length - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return data.subarray(0, length)
  } finally {
    closeSync(fd)
  }
}

/** The size of a file; throws STORAGE_FAILED if it is more than `limit`. */
export function roomFor({ size }: Stats, file: string, limit: number): number {
  if (size <= limit) return size
  throw new LitestreamError('STORAGE_FAILED', `${file} has ${size} bytes; the limit is ${limit} bytes`, {
    file,
    hint: 'Check that the path names the intended file.',
  })
}

/** Returns `stats`, or throws STORAGE_FAILED if they are not those of a regular file. */
export function checkRegular(file: string, stats: Stats): Stats {
  if (!stats.isFile()) throw notRegular(file, stats)
  return stats
}

/** STORAGE_FAILED, naming the kind of the file. */
export function notRegular(file: string, stats: Stats): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `${file} is ${kindOf(stats)}, not a regular file`, {
    file,
    hint: 'Correct the path, or move the existing entry out of the way.',
  })
}
