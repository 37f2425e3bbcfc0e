import { isLitestreamError } from '../errors.js'
import { HEADER_SIZE } from '../ltx/format.js'
import { decodeHeader } from '../ltx/header.js'

/** Number of bytes at the beginning of a file that `headerTime` needs. */
export const HEADER_BYTES = HEADER_SIZE

/**
 * Returns the timestamp of the LTX header at the beginning of `bytes`, in milliseconds since the
 * epoch. Returns undefined if `bytes` does not begin with an LTX header. Clients call `headerTime`
 * for stores whose metadata contains no timestamp, or only whole seconds.
 */
export function headerTime(bytes: Uint8Array): number | undefined {
  try {
    return decodeHeader(bytes, '').timestamp
  } catch (error) {
    if (isLitestreamError(error, 'LTX_CORRUPT')) return undefined
    throw error
  }
}
