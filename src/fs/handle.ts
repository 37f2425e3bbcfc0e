import { fdatasync, fsync, futimes, futimesSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { promisify } from 'node:util'

// Under Yarn's Plug'n'Play, which replaces node:fs, a FileHandle has no sync, datasync, utimes and
// asyncDispose. These functions work on its descriptor.

const fsyncOf = promisify(fsync)
const fdatasyncOf = promisify(fdatasync)
const futimesOf = promisify(futimes)

/** Returns after data and metadata are on disk. */
export function syncHandle(handle: FileHandle): Promise<void> {
  return fsyncOf(handle.fd)
}

/** `syncHandle` for a descriptor. */
export function syncDescriptor(fd: number): Promise<void> {
  return fsyncOf(fd)
}

/** `datasyncHandle` for a descriptor. */
export function datasyncDescriptor(fd: number): Promise<void> {
  return fdatasyncOf(fd)
}

/** Returns after the data, and the metadata that reading it needs, are on disk. */
export function datasyncHandle(handle: FileHandle): Promise<void> {
  return fdatasyncOf(handle.fd)
}

/**
 * Half a microsecond in milliseconds. Node passes a time on as seconds in a double, and libuv cuts
 * it off at whole microseconds: without this half, one of 0.470 s often becomes 0.469999 s, which
 * Litestream reads as 469 ms.
 */
const HALF_MICROSECOND = 0.0005

/**
 * Sets the time of modification, and that of access, to exactly `mtime`, whole milliseconds since
 * the epoch.
 */
export function setTime(handle: FileHandle, mtime: number): Promise<void> {
  const seconds = secondsOf(mtime)
  return futimesOf(handle.fd, seconds, seconds)
}

/** `setTime` for a descriptor, in code that cannot wait. */
export function setTimeSync(fd: number, mtime: number): void {
  const seconds = secondsOf(mtime)
  futimesSync(fd, seconds, seconds)
}

function secondsOf(mtime: number): number {
  return (mtime + HALF_MICROSECOND) / 1000
}
