import type { Readable } from 'node:stream'
import { LitestreamError } from '../../errors.js'
import { type OpenedBody, readBody } from '../body-reader.js'
import { placeOf, rangeHeader, wantedOf } from '../http-range.js'
import { rangeError } from '../range.js'
import type { ByteRange } from '../replica-client.js'
import { GetObjectCommand } from './aws.js'
import { unconfirmed } from './errors.js'
import type { S3Requests, Subject } from './requests.js'

/** The store's data about the object in its response. */
export interface FoundObject {
  /** Offset of the requested bytes in the object. */
  readonly offset: number
  readonly fileSize: number
  readonly etag: string | undefined
}

export interface Download {
  readonly chunks: AsyncIterable<Uint8Array>
  /** Known after the first chunk, or the end, was read. */
  readonly found: () => FoundObject
}

/**
 * Downloads a range of an object with as many GETs as necessary. `check` receives the store's data
 * about the object before any byte of it is read, and throws if it is the wrong one.
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
    // A body that is not being read yet may still emit an error without a listener.
    body.on('error', () => undefined)
    try {
      if (reply.ETag === undefined) throw unconfirmed(subject.doing, subject.target, 'the reply has no ETag')
      const headers = { contentRange: reply.ContentRange, contentLength: reply.ContentLength }
      const place = placeOf(headers, asked, `${subject.doing} ${subject.target}`)
      if (place === undefined) {
        throw unconfirmed(subject.doing, subject.target, 'the reply has neither a range nor a length')
      }
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
  // A continued read must be of the same object.
  const input = { Bucket, Key: key, Range: rangeHeader(range), ...customerKey, ...(etag ? { IfMatch: etag } : {}) }
  return requests.once(subject, (client, options) => client.send(new GetObjectCommand(input), options))
}

function changed({ doing, target }: Subject, was: number, is: number): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `${doing} ${target} failed: it had ${was} bytes, and now it has ${is}`, {
    file: target,
    hint: 'Repeat the command. If it fails again, check that no other process writes to the replica.',
  })
}
