import { isPageSize } from '../../ltx/format.js'

const MAGIC = Buffer.from('SQLite format 3\0')

/** Number of bytes of the database header that `isDatabase` reads. */
export const DATABASE_HEADER_SIZE = 100

/** Whether a file of `size` bytes that begins with `head` is an SQLite database. */
export function isDatabase(head: Buffer, size: number): boolean {
  const stored = head.readUInt16BE(16)
  const pageSize = stored === 1 ? 65536 : stored
  return head.subarray(0, MAGIC.length).equals(MAGIC) && isPageSize(pageSize) && size > 0 && size % pageSize === 0
}
