import { LitestreamError } from '../errors.js'
import type { ByteRange } from './replica-client.js'

/**
 * Converts a byte range in a file of `fileSize` bytes to an offset and a length. Throws
 * INVALID_ARGUMENT for a range that extends beyond the file.
 */
export function resolveRange(range: ByteRange, fileSize: number, name: string): { offset: number; length: number } {
  if ('suffix' in range) {
    const length = Math.min(range.suffix, fileSize)
    return { offset: fileSize - length, length }
  }
  const length = range.length ?? fileSize - range.offset
  if (range.offset < 0 || length < 0 || range.offset + length > fileSize) throw rangeError(range, fileSize, name)
  return { offset: range.offset, length }
}

export function rangeError(range: ByteRange, fileSize: number | undefined, name: string): LitestreamError {
  const wanted =
    'suffix' in range ? `the last ${range.suffix} bytes` : `${range.length ?? 'all'} bytes from ${range.offset}`
  const size = fileSize === undefined ? 'does not have these bytes' : `has ${fileSize} bytes`
  return new LitestreamError('INVALID_ARGUMENT', `cannot read ${wanted} of ${name}, which ${size}`, {
    file: name,
    hint: 'Request a byte range that lies inside the file. A listing of the replica contains the size of each file.',
  })
}
