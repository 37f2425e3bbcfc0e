import type { Readable } from 'node:stream'
import { LitestreamError } from '../../errors.js'
import { type OpenedBody, resumableRead } from '../resumable-read.js'
import { GetObjectCommand } from './aws.js'
import type { S3Requests, Subject } from './requests.js'

/** One GET that has begun to answer. */
interface Answer extends OpenedBody {
  readonly offset: number
  readonly fileSize: number
  readonly etag: string | undefined
}

/** `bytes a-b/total`; a reply without it is the whole object. */
function placeOf(
  range: string | undefined,
  length: number,
  target: string,
): { offset: number; end: number; fileSize: number } {
  if (range === undefined) return { offset: 0, end: length, fileSize: length }
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range)
  if (!match) {
    throw new LitestreamError('STORAGE_FAILED', `reading ${target} failed: "${range}" is not a Content-Range`, {
      file: target,
    })
  }
  return { offset: Number(match[1]), end: Number(match[2]) + 1, fileSize: Number(match[3]) }
}

async function open(
  requests: S3Requests,
  subject: Subject,
  key: string,
  range: string,
  etag?: string,
): Promise<Answer> {
  const { bucket: Bucket, customerKey } = requests
  const reply = await requests.once(subject, (client, options) =>
    client.send(
      // A continued read must be of the object it began with.
      new GetObjectCommand({ Bucket, Key: key, Range: range, ...customerKey, ...(etag ? { IfMatch: etag } : {}) }),
      options,
    ),
  )
  const body = reply.Body as Readable
  const place = placeOf(reply.ContentRange, reply.ContentLength ?? 0, subject.target)
  return { body: untilAborted(body, subject.signal), ...place, etag: reply.ETag }
}

/** A body ends with the signal too; the SDK lets go of it once the headers are there. */
async function* untilAborted(body: Readable, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const onAbort = () => body.destroy(new Error('aborted'))
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    yield* body
  } finally {
    signal?.removeEventListener('abort', onAbort)
    body.destroy()
  }
}

export interface Download {
  readonly chunks: AsyncIterable<Uint8Array>
  /** Known once the first chunk, or the end, was read. */
  readonly place: () => { readonly offset: number; readonly fileSize: number; readonly etag: string | undefined }
}

/** The bytes of an object that a Range header names, through as many GETs as it takes. */
export function download(requests: S3Requests, subject: Subject, key: string, range: string): Download {
  let begun: Answer | undefined
  // Counted from the first byte asked for: where a suffix lies in the file is known only once the store has answered.
  const chunks = resumableRead(
    0,
    async (at) => {
      if (begun !== undefined) {
        const { body } = await open(requests, subject, key, `bytes=${begun.offset + at}-${begun.end - 1}`, begun.etag)
        return { body, end: begun.end - begun.offset }
      }
      begun = await open(requests, subject, key, range)
      return { body: begun.body, end: begun.end - begun.offset }
    },
    {
      policy: requests.policy,
      what: `${subject.doing} ${subject.target}`,
      signal: subject.signal,
      onRetry: () => requests.counters.retry(subject.operation),
      onBytes: (count) => requests.counters.bytes(subject.operation, count),
      bodyError: (error) => requests.typed(error, subject),
    },
  )
  const place = () => ({ offset: begun?.offset ?? 0, fileSize: begun?.fileSize ?? 0, etag: begun?.etag })
  return { chunks, place }
}
