import { fdatasync, fsync, futimes, futimesSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { promisify } from 'node:util'

// Yarn's Plug'n'Play replaces node:fs, and its FileHandle has no `sync`, `datasync`, `utimes` and
// `asyncDispose`. The functions in this file use the file descriptor of the handle instead.

const fsyncOf = promisify(fsync)
const fdatasyncOf = promisify(fdatasync)
const futimesOf = promisify(futimes)

/** Resolves when the data and the metadata of the file are on disk. */
export function syncHandle(handle: FileHandle): Promise<void> {
  return fsyncOf(handle.fd)
}

/** Does the same as `syncHandle` for a file descriptor. */
export function syncDescriptor(fd: number): Promise<void> {
  return fsyncOf(fd)
}

/** Does the same as `datasyncHandle` for a file descriptor. */
export function datasyncDescriptor(fd: number): Promise<void> {
  return fdatasyncOf(fd)
}

/**
 * Resolves when the data of the file is on disk, together with the metadata that is needed to read
 * the data.
 */
export function datasyncHandle(handle: FileHandle): Promise<void> {
  return fdatasyncOf(handle.fd)
}

/**
 * Half a microsecond, in milliseconds, which setTime() adds to each time. Node.js passes a time as
 * seconds in a double, and libuv truncates this number to whole microseconds. Without the added
 * half microsecond, 0.470 s often becomes 0.469999 s, and Litestream reads 469 ms.
 */
const HALF_MICROSECOND = 0.0005

/**
 * Sets the modification time and the access time of a file to exactly `mtime`, which is in whole
 * milliseconds since the epoch.
 */
export function setTime(handle: FileHandle, mtime: number): Promise<void> {
  const seconds = secondsOf(mtime)
  return futimesOf(handle.fd, seconds, seconds)
}

/** Does the same as `setTime` for a file descriptor, with a synchronous call. */
export function setTimeSync(fd: number, mtime: number): void {
  const seconds = secondsOf(mtime)
  futimesSync(fd, seconds, seconds)
}

function secondsOf(mtime: number): number {
  return (mtime + HALF_MICROSECOND) / 1000
}
