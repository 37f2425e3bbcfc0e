/**
 * Sizes (in bytes) and constants of LTX format version 3. All integers of the format are
 * big-endian.
 */
export const HEADER_SIZE = 100
export const PAGE_HEADER_SIZE = 6
/** Size in bytes of the page header and the field with the payload size, which begin each frame. */
export const FRAME_HEADER_SIZE = 10
/**
 * Maximum size of a page index entry, which contains the page number, the offset and the size as
 * uvarints.
 */
export const MAX_INDEX_ENTRY: number = 5 + 10 + 5
/** Size of the trailer, which contains the post-apply checksum and the file checksum. */
export const TRAILER_SIZE = 16
/** Size of the length field of the page index, which comes directly before the trailer. */
export const INDEX_LENGTH_SIZE = 8

/**
 * Header flag of a file without database checksums. The LTX format defines no other header flag.
 */
export const FLAG_NO_CHECKSUM = 0x2
/**
 * Flag in the page header of a page whose payload consists of the size of an LZ4 block and the
 * block.
 */
export const PAGE_FLAG_SIZE = 0x1
/** The bit that is set in every stored checksum, so that no checksum is 0. */
export const CHECKSUM_FLAG = 0x8000000000000000n

export const MAX_COMPACTION_LEVEL = 8
export const SNAPSHOT_LEVEL = 9
export const LEVELS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

/**
 * Offset of the bytes that SQLite locks: 1 GiB. SQLite never stores the page at this offset, and a
 * read of this page returns zeros.
 */
const LOCK_BYTE = 0x40000000

export function lockPgno(pageSize: number): number {
  return LOCK_BYTE / pageSize + 1
}

export function isPageSize(n: number): boolean {
  return Number.isInteger(n) && n >= 512 && n <= 65536 && (n & (n - 1)) === 0
}

/**
 * Maximum size of a database in pages (https://www.sqlite.org/limits.html, "Maximum Number Of
 * Pages").
 */
export const MAX_COMMIT = 0xfffffffe

/**
 * Returns whether a committed database can have `n` pages. SQLite never commits a database of 0
 * pages.
 */
export function isCommit(n: number): boolean {
  return Number.isInteger(n) && n >= 1 && n <= MAX_COMMIT
}

/**
 * Returns the maximum size in bytes of the frame of one page. LZ4 makes data longer that it cannot
 * compress.
 */
export function maxFrameSize(pageSize: number): number {
  return FRAME_HEADER_SIZE + pageSize + Math.floor(pageSize / 255) + 16
}

/**
 * Returns the number of pages in an LTX file that holds a whole database. A snapshot lacks the lock
 * page.
 */
export function snapshotPageCount(commit: number, pageSize: number): number {
  return commit >= lockPgno(pageSize) ? commit - 1 : commit
}
