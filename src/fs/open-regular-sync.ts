import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs'
import { LitestreamError } from '../errors.js'
import { isErrno } from './fs-error.js'
import { kindOf } from './kind.js'

// This file does not import node:fs/promises, because loading that module takes a millisecond in
// each thread.

const { O_NONBLOCK, O_NOCTTY, O_RDONLY } = constants

/**
 * Maximum size in bytes that `readRegular` accepts by default, for small files such as a key, a
 * certificate or a lock file.
 */
export const SMALL_FILE = 1024 * 1024

/**
 * Does the same as `openRegular`, with synchronous calls. Returns the file descriptor of the open
 * file.
 */
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

/** Does the same as `readRegular`, with synchronous calls. */
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

/**
 * Returns the size in bytes that `stats` contains. Throws STORAGE_FAILED if the size exceeds
 * `limit`.
 */
export function roomFor({ size }: Stats, file: string, limit: number): number {
  if (size <= limit) return size
  throw new LitestreamError('STORAGE_FAILED', `${file} has ${size} bytes; the limit is ${limit} bytes`, {
    file,
    hint: 'Check the path: the file is too large to be the expected file.',
  })
}

/** Returns `stats`. Throws STORAGE_FAILED if `stats` does not describe a regular file. */
export function checkRegular(file: string, stats: Stats): Stats {
  if (!stats.isFile()) throw notRegular(file, stats)
  return stats
}

/** Returns a STORAGE_FAILED error that describes the type of the file. */
export function notRegular(file: string, stats: Stats): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `${file} is ${kindOf(stats)}, not a regular file`, {
    file,
    hint: 'Give the path of a regular file, or move the entry at this path to another folder.',
  })
}
