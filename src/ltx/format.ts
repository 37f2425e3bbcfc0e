/** Sizes, in bytes, and constants of LTX version 3. All integers of the format are big-endian. */
export const HEADER_SIZE = 100
export const PAGE_HEADER_SIZE = 6
/** Page header and payload size. */
export const FRAME_HEADER_SIZE = 10
/** The most bytes of an entry of the page index: page number, offset and size as uvarints. */
export const MAX_INDEX_ENTRY: number = 5 + 10 + 5
/** Post-apply checksum and file checksum. */
export const TRAILER_SIZE = 16
/** Length of the page index; stands right before the trailer. */
export const INDEX_LENGTH_SIZE = 8

/** Header flag: the file carries no database checksums. The only flag there is. */
export const FLAG_NO_CHECKSUM = 0x2
/** Page header flag: a payload size follows and the payload is an LZ4 block. */
export const PAGE_FLAG_SIZE = 0x1
/** Set in every stored checksum, so that none is 0. */
export const CHECKSUM_FLAG = 0x8000000000000000n

export const MAX_COMPACTION_LEVEL = 8
export const SNAPSHOT_LEVEL = 9
export const LEVELS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

/** Byte 1 GiB of a database belongs to SQLite's locks; the page there is never stored and reads as zeros. */
const LOCK_BYTE = 0x40000000

export function lockPgno(pageSize: number): number {
  return LOCK_BYTE / pageSize + 1
}

export function isPageSize(n: number): boolean {
  return Number.isInteger(n) && n >= 512 && n <= 65536 && (n & (n - 1)) === 0
}

/** The largest size of a database in pages (https://www.sqlite.org/limits.html, "Maximum Number Of Pages"). */
export const MAX_COMMIT = 0xfffffffe

/** Whether a database can have this many pages. SQLite never commits a database of 0 pages. */
export function isCommit(n: number): boolean {
  return Number.isInteger(n) && n >= 1 && n <= MAX_COMMIT
}

/** The most bytes that the frame of one page can take: LZ4 grows data that it cannot shrink. */
export function maxFrameSize(pageSize: number): number {
  return FRAME_HEADER_SIZE + pageSize + Math.floor(pageSize / 255) + 16
}

/** How many pages a file that holds all of a database has: every one but the lock page. */
export function snapshotPageCount(commit: number, pageSize: number): number {
  return commit >= lockPgno(pageSize) ? commit - 1 : commit
}
