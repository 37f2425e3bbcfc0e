import { LitestreamError } from '../errors.js'
import type { ByteRange } from './replica-client.js'

/** Where an answer's bytes lie in an object, by its headers. `end` is exclusive. */
export interface Place {
  readonly start: number
  readonly end: number
  readonly fileSize: number
}

/** The part of an answer to a GET that says which bytes it has. */
export interface RangedReply {
  /** The header Content-Range. */
  readonly contentRange: string | undefined
  readonly contentLength: number | undefined
}

/** The header Range that asks for `range`. */
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
 * Compares an answer's headers with each other and with what was asked for. `what`: "reading s3://…", for messages. Throws
 * STORAGE_FAILED; undefined where the answer has neither a range nor a length.
 */
export function placeOf(
  { contentRange, contentLength }: RangedReply,
  asked: ByteRange,
  what: string,
): Place | undefined {
  if (contentRange === undefined) {
    // The store has left the range out of account, as HTTP lets it: this is the whole object.
    if (!isSize(contentLength)) return undefined
    return { start: 0, end: contentLength, fileSize: contentLength }
  }
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange)
  const [start, last, fileSize] = (match?.slice(1) ?? []).map(Number)
  const wrong = (why: string) =>
    new LitestreamError('STORAGE_FAILED', `${what} failed: the reply's Content-Range is "${contentRange}"${why}`, {
      hint: 'Check the endpoint: the store, or a proxy before it, does not answer ranged requests correctly.',
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
