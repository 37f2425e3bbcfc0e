/** Sizes, in bytes, and constants of LTX version 3. All integers of the format are big-endian. */
export const HEADER_SIZE = 100
export const PAGE_HEADER_SIZE = 6
/** Page header and payload size. */
export const FRAME_HEADER_SIZE = 10
/** Maximum size of a page index entry in bytes: page number, offset and size as uvarints. */
export const MAX_INDEX_ENTRY: number = 5 + 10 + 5
/** Post-apply checksum and file checksum. */
export const TRAILER_SIZE = 16
/** Size of the length field of the page index, which is directly before the trailer. */
export const INDEX_LENGTH_SIZE = 8

/** Header flag: the file has no database checksums. The only flag that exists. */
export const FLAG_NO_CHECKSUM = 0x2
/** Page header flag: a payload size follows and the payload is an LZ4 block. */
export const PAGE_FLAG_SIZE = 0x1
/** Set in every stored checksum, so that none is 0. */
export const CHECKSUM_FLAG = 0x8000000000000000n

export const MAX_COMPACTION_LEVEL = 8
export const SNAPSHOT_LEVEL = 9
export const LEVELS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

/** SQLite locks bytes at 1 GiB of a database; the page there is never stored and reads as zeros. */
const LOCK_BYTE = 0x40000000

export function lockPgno(pageSize: number): number {
  return LOCK_BYTE / pageSize + 1
}

export function isPageSize(n: number): boolean {
  return Number.isInteger(n) && n >= 512 && n <= 65536 && (n & (n - 1)) === 0
}

/**
 * The largest size of a database in pages (https://www.sqlite.org/limits.html, "Maximum Number Of
 * Pages").
 */
export const MAX_COMMIT = 0xfffffffe

/** Whether a database can have this many pages. SQLite never commits a database of 0 pages. */
export function isCommit(n: number): boolean {
  return Number.isInteger(n) && n >= 1 && n <= MAX_COMMIT
}

/** Maximum size of the frame of one page, in bytes: LZ4 expands data that it cannot compress. */
export function maxFrameSize(pageSize: number): number {
  return FRAME_HEADER_SIZE + pageSize + Math.floor(pageSize / 255) + 16
}

/** Number of pages in a file that holds a whole database: every page except the lock page. */
export function snapshotPageCount(commit: number, pageSize: number): number {
  return commit >= lockPgno(pageSize) ? commit - 1 : commit
}
