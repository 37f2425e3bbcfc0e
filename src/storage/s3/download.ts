import type { Readable } from 'node:stream'
import { LitestreamError } from '../../errors.js'
import { type OpenedBody, readBody } from '../body-reader.js'
import { rangeError } from '../range.js'
import type { ByteRange } from '../replica-client.js'
import { GetObjectCommand } from './aws.js'
import { unconfirmed } from './errors.js'
import type { S3Requests, Subject } from './requests.js'

/** What the store says of the object that it answers with. */
export interface FoundObject {
  /** Where the wanted bytes begin in it. */
  readonly offset: number
  readonly fileSize: number
  readonly etag: string | undefined
}

export interface Download {
  readonly chunks: AsyncIterable<Uint8Array>
  /** Known once the first chunk, or the end, was read. */
  readonly found: () => FoundObject
}

/** Where an answer's bytes lie in an object, by its headers. */
interface Place {
  readonly start: number
  readonly end: number
  readonly fileSize: number
}

/**
 * The bytes of an object that a range names, through as many GETs as it takes. `check` sees what the store says of the object before
 * any byte of it is read, and throws if it is not the right one.
 */
export function download(
  requests: S3Requests,
  subject: Subject,
  key: string,
  range: ByteRange,
  check: (found: FoundObject) => Promise<void> = async () => {},
): Download {
  let found: FoundObject | undefined
  let wanted: OpenedBody['wanted'] | undefined
  const open = async (at?: number): Promise<OpenedBody> => {
    const asked: ByteRange = wanted === undefined || at === undefined ? range : { offset: at, length: wanted.end - at }
    const reply = await get(requests, subject, key, asked, found?.etag)
    const body = reply.Body as Readable
    // A body that is not read yet may still fail, and nobody listens then.
    body.on('error', () => undefined)
    try {
      if (reply.ETag === undefined) throw unconfirmed(subject.doing, subject.target, 'the reply has no ETag')
      const place = placeOf(reply, asked, subject)
      if (found === undefined || wanted === undefined) {
        wanted = wantedOf(range, place.fileSize)
        if (wanted.start > place.fileSize) throw rangeError(range, place.fileSize, subject.target)
        found = { offset: wanted.start, fileSize: place.fileSize, etag: reply.ETag }
        await check(found)
      } else if (place.fileSize !== found.fileSize) throw changed(subject, found.fileSize, place.fileSize)
      return {
        ...place,
        wanted,
        chunks: body,
        cancel: (error) => body.destroy(error),
        close: async () => void body.destroy(),
      }
    } catch (error) {
      body.destroy()
      throw error
    }
  }
  const chunks = readBody(open, {
    policy: requests.policy,
    what: `${subject.doing} ${subject.target}`,
    signal: subject.signal,
    closing: requests.closing,
    onRetry: () => requests.counters.retry(subject.operation),
    onBytes: (count) => requests.counters.bytes(subject.operation, count),
    toError: (error) => requests.typed(error, subject),
  })
  return { chunks, found: () => found ?? { offset: 0, fileSize: 0, etag: undefined } }
}

function get(requests: S3Requests, subject: Subject, key: string, range: ByteRange, etag: string | undefined) {
  const { bucket: Bucket, customerKey } = requests
  // A continued read must be of the object it began with.
  const input = { Bucket, Key: key, Range: rangeHeader(range), ...customerKey, ...(etag ? { IfMatch: etag } : {}) }
  return requests.once(subject, (client, options) => client.send(new GetObjectCommand(input), options))
}

function rangeHeader(range: ByteRange): string {
  if ('suffix' in range) return `bytes=-${range.suffix}`
  return range.length === undefined
    ? `bytes=${range.offset}-`
    : `bytes=${range.offset}-${range.offset + range.length - 1}`
}

/** The part of a file of `fileSize` bytes that a range covers. */
function wantedOf(range: ByteRange, fileSize: number): OpenedBody['wanted'] {
  if ('suffix' in range) return { start: Math.max(0, fileSize - range.suffix), end: fileSize }
  const end = range.length === undefined ? fileSize : Math.min(fileSize, range.offset + range.length)
  return { start: range.offset, end }
}

interface Reply {
  readonly ContentRange?: string | undefined
  readonly ContentLength?: number | undefined
}

/** Compares an answer's headers with each other and with what was asked for. */
function placeOf({ ContentRange, ContentLength }: Reply, asked: ByteRange, { doing, target }: Subject): Place {
  if (ContentRange === undefined) {
    // The store has left the range out of account, as HTTP lets it: this is the whole object.
    if (!isSize(ContentLength)) throw unconfirmed(doing, target, 'the reply has neither a range nor a length')
    return { start: 0, end: ContentLength, fileSize: ContentLength }
  }
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(ContentRange)
  const [start, last, fileSize] = (match?.slice(1) ?? []).map(Number)
  const wrong = (why: string) =>
    new LitestreamError(
      'STORAGE_FAILED',
      `${doing} ${target} failed: the reply's Content-Range is "${ContentRange}"${why}`,
      {
        file: target,
        hint: 'Check the endpoint: the store, or a proxy before it, does not answer ranged requests correctly.',
      },
    )
  if (!isSize(start) || !isSize(last) || !isSize(fileSize) || start > last || last >= fileSize) throw wrong('')
  const end = last + 1
  const wanted = wantedOf(asked, fileSize)
  if (start !== wanted.start || end > wanted.end) throw wrong(`, and "${rangeHeader(asked)}" was requested`)
  if (ContentLength !== undefined && ContentLength > end - start) throw wrong(`, and its length is ${ContentLength}`)
  return { start, end, fileSize }
}

function isSize(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && value! >= 0
}

function changed({ doing, target }: Subject, was: number, is: number): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `${doing} ${target} failed: it had ${was} bytes, and has ${is} now`, {
    file: target,
    hint: 'Repeat the command. If that does not help, check that no other process writes to the replica.',
  })
}
