import { isLitestreamError } from '../errors.js'
import { HEADER_SIZE } from '../ltx/format.js'
import { decodeHeader } from '../ltx/header.js'

/** Bytes from the beginning of a file that `headerTime` needs. */
export const HEADER_BYTES = HEADER_SIZE

/**
 * The timestamp in the LTX header that `bytes` begin with, milliseconds since the epoch; undefined where they begin with none. For stores
 * that keep no timestamp beside a file, or one in whole seconds.
 */
export function headerTime(bytes: Uint8Array): number | undefined {
  try {
    return decodeHeader(bytes, '').timestamp
  } catch (error) {
    if (isLitestreamError(error, 'LTX_CORRUPT')) return undefined
    throw error
  }
}
