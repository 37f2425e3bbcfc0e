import { LitestreamError } from '../../errors.js'

/** Maximum number of parts of an upload, on every store. */
export const MAX_PARTS = 10_000

/** Maximum size of a part in bytes. */
const MAX_PART_SIZE = 5 * 2 ** 30

/**
 * Size in bytes of part `number` (from 1) of an upload of unknown length: the first thousand have
 * `partSize`, the next thousand twice that, and so on, so that parts beginning with 5 MiB hold 4.8
 * TiB. `equal`: all parts have the same size, for stores that require it; the upload then fails
 * after 10,000 parts.
 */
export function partSizeOf(number: number, partSize: number, equal: boolean): number {
  if (number > MAX_PARTS) {
    throw new LitestreamError('STORAGE_FAILED', `the file needs more than ${MAX_PARTS} parts of ${partSize} bytes`, {
      hint: `Set part-size to ${2 * partSize} or more.`,
    })
  }
  return equal ? partSize : Math.min(MAX_PART_SIZE, partSize * 2 ** Math.floor((number - 1) / 1000))
}
