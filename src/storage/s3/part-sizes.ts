import { LitestreamError } from '../../errors.js'

/** Maximum number of parts of one multipart upload. The maximum is the same for all stores. */
export const MAX_PARTS = 10_000

/** Maximum size of a part in bytes. */
const MAX_PART_SIZE = 5 * 2 ** 30

/**
 * Returns the size in bytes of part `number` (from 1) of an upload of unknown length. The first
 * 1,000 parts have `partSize` bytes each, and the size doubles after every 1,000 parts. An upload
 * that begins with parts of 5 MiB can therefore have 4.8 TiB. If `equal` is true, all parts have
 * `partSize` bytes, for stores that require equal parts. Throws STORAGE_FAILED for a part number
 * above 10,000.
 */
export function partSizeOf(number: number, partSize: number, equal: boolean): number {
  if (number > MAX_PARTS) {
    throw new LitestreamError('STORAGE_FAILED', `the file needs more than ${MAX_PARTS} parts of ${partSize} bytes`, {
      hint: `Set part-size to ${2 * partSize} or more.`,
    })
  }
  return equal ? partSize : Math.min(MAX_PART_SIZE, partSize * 2 ** Math.floor((number - 1) / 1000))
}
