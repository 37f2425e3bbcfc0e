import { LitestreamError } from '../../errors.js'

/** Maximum number of parts of an upload. All stores have the same maximum. */
export const MAX_PARTS = 10_000

/** Maximum size of a part in bytes. */
const MAX_PART_SIZE = 5 * 2 ** 30

/**
 * Returns the size in bytes of part `number` (from 1) of an upload of unknown length. The first
 * thousand parts have `partSize` bytes, and each following thousand has twice the size of the
 * previous thousand. An upload that begins with parts of 5 MiB can therefore have 4.8 TiB. With
 * `equal`, all parts have `partSize` bytes, for stores that require equal parts. Throws
 * STORAGE_FAILED after 10,000 parts.
 */
export function partSizeOf(number: number, partSize: number, equal: boolean): number {
  if (number > MAX_PARTS) {
    throw new LitestreamError('STORAGE_FAILED', `the file needs more than ${MAX_PARTS} parts of ${partSize} bytes`, {
      hint: `Set part-size to ${2 * partSize} or more.`,
    })
  }
  return equal ? partSize : Math.min(MAX_PART_SIZE, partSize * 2 ** Math.floor((number - 1) / 1000))
}
