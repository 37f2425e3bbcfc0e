import { LitestreamError } from '../errors.js'
import type { ByteRange } from './replica-client.js'

/** The byte range of a response in its object, according to its headers. `end` is exclusive. */
export interface Place {
  readonly start: number
  readonly end: number
  readonly fileSize: number
}

/** The parts of a GET response that describe its range. */
export interface RangedReply {
  /** The header Content-Range. */
  readonly contentRange: string | undefined
  readonly contentLength: number | undefined
}

/** The Range header for `range`. */
export function rangeHeader(range: ByteRange): string {
  if ('suffix' in range) return `bytes=-${range.suffix}`
  return range.length === undefined
    ? `bytes=${range.offset}-`
    : `bytes=${range.offset}-${range.offset + range.length - 1}`
}

/** The part of a file of `fileSize` bytes that a range covers. */
export function wantedOf(range: ByteRange, fileSize: number): { readonly start: number; readonly end: number } {
  if ('suffix' in range) return { start: Math.max(0, fileSize - range.suffix), end: fileSize }
  const end = range.length === undefined ? fileSize : Math.min(fileSize, range.offset + range.length)
  return { start: range.offset, end }
}

/**
 * Compares a response's headers with each other and with the request. `what`: "reading s3://…", for
 * messages. Throws STORAGE_FAILED; undefined if the response has neither a range nor a length.
 */
export function placeOf(
  { contentRange, contentLength }: RangedReply,
  asked: ByteRange,
  what: string,
): Place | undefined {
  if (contentRange === undefined) {
    // The store has ignored the range, which HTTP allows: this is the whole object.
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
