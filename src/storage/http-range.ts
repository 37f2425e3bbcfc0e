import { LitestreamError } from '../errors.js'
import type { ByteRange } from './replica-client.js'

/**
 * The byte range of the file that a response contains, according to the headers of the response.
 * `end` is exclusive.
 */
export interface Place {
  readonly start: number
  readonly end: number
  readonly fileSize: number
}

/** The headers of a GET response that describe its range. */
export interface RangedReply {
  /** The header Content-Range. */
  readonly contentRange: string | undefined
  readonly contentLength: number | undefined
}

/** Returns the value of the header Range for `range`. */
export function rangeHeader(range: ByteRange): string {
  if ('suffix' in range) return `bytes=-${range.suffix}`
  return range.length === undefined
    ? `bytes=${range.offset}-`
    : `bytes=${range.offset}-${range.offset + range.length - 1}`
}

/** Returns the start and the end of a range in a file of `fileSize` bytes. */
export function wantedOf(range: ByteRange, fileSize: number): { readonly start: number; readonly end: number } {
  if ('suffix' in range) return { start: Math.max(0, fileSize - range.suffix), end: fileSize }
  const end = range.length === undefined ? fileSize : Math.min(fileSize, range.offset + range.length)
  return { start: range.offset, end }
}

/**
 * Returns the byte range of a response. Compares the response's headers with each other and with
 * the request. Throws STORAGE_FAILED if the headers contradict each other or the request. Returns
 * undefined if the response has neither a range nor a length. `what` is a phrase for messages, such
 * as "reading s3://…".
 */
export function placeOf(
  { contentRange, contentLength }: RangedReply,
  asked: ByteRange,
  what: string,
): Place | undefined {
  if (contentRange === undefined) {
    // The store has ignored the range and sent the whole object. HTTP allows a server to ignore the
    // header Range.
    if (!isSize(contentLength)) return undefined
    return { start: 0, end: contentLength, fileSize: contentLength }
  }
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange)
  const [start, last, fileSize] = (match?.slice(1) ?? []).map(Number)
  const wrong = (why: string) =>
    new LitestreamError('STORAGE_FAILED', `${what} failed: the reply's Content-Range is "${contentRange}"${why}`, {
      hint: 'Check the endpoint: the store, or a proxy in front of it, does not answer ranged requests correctly.',
    })
  if (!isSize(start) || !isSize(last) || !isSize(fileSize) || start > last || last >= fileSize) throw wrong('')
  const end = last + 1
  const wanted = wantedOf(asked, fileSize)
  if (start !== wanted.start || end > wanted.end) throw wrong(`, and "${rangeHeader(asked)}" was requested`)
  if (contentLength !== undefined && contentLength > end - start) throw wrong(`, and its length is ${contentLength}`)
  return { start, end, fileSize }
}

function isSize(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && value! >= 0
}
