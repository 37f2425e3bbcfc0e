import { LitestreamError } from '../../errors.js'

/** The most parts one upload may have, on every store. */
export const MAX_PARTS = 10_000

/** The most one part may have. Bytes. */
const MAX_PART_SIZE = 5 * 2 ** 30

/**
 * Bytes of part `number` (from 1) of an upload whose end is not known: the first thousand have `partSize`, the next thousand twice
 * that, and so on, so that parts that begin with 5 MiB carry 4.8 TiB. `equal`: all the same, for stores that insist;
 * with 10,000 of them an upload ends in an error.
 */
export function partSizeOf(number: number, partSize: number, equal: boolean): number {
  if (number > MAX_PARTS) {
    throw new LitestreamError('STORAGE_FAILED', `the file needs more than ${MAX_PARTS} parts of ${partSize} bytes`, {
      hint: `Set part-size to ${2 * partSize} or more.`,
    })
  }
  return equal ? partSize : Math.min(MAX_PART_SIZE, partSize * 2 ** Math.floor((number - 1) / 1000))
}
