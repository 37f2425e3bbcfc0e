import { fdatasync, fsync, futimes } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { promisify } from 'node:util'

// Under Yarn's Plug'n'Play, which replaces node:fs, a FileHandle has no sync, datasync, utimes and asyncDispose. These functions work
// on its descriptor.

const fsyncOf = promisify(fsync)
const fdatasyncOf = promisify(fdatasync)
const futimesOf = promisify(futimes)

/** Returns after data and metadata are on disk. */
export function syncHandle(handle: FileHandle): Promise<void> {
  return fsyncOf(handle.fd)
}

/** Returns after the data, and the metadata that reading it needs, are on disk. */
export function datasyncHandle(handle: FileHandle): Promise<void> {
  return fdatasyncOf(handle.fd)
}

/** Sets the times of access and modification, seconds since the epoch. */
export function setTimes(handle: FileHandle, accessed: number, modified: number): Promise<void> {
  return futimesOf(handle.fd, accessed, modified)
}
