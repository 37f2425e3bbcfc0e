import { LitestreamError } from '../../errors.js'
import { type OpenedBody, readBody } from '../body-reader.js'
import { placeOf, rangeHeader, wantedOf } from '../http-range.js'
import { rangeError } from '../range.js'
import type { ByteRange } from '../replica-client.js'
import { versionOf } from '../s3/entity-tags.js'
import { unconfirmed } from './errors.js'
import type { Reply, Subject, WebdavRequests } from './requests.js'

/** The server's data about the file in its response. */
export interface FoundResource {
  /** Where the wanted bytes begin in it. */
  readonly offset: number
  readonly fileSize: number
  readonly version: string | undefined
  /** Milliseconds since the epoch; NaN if the server does not tell. */
  readonly modifiedAt: number
}

export interface Download {
  readonly chunks: AsyncIterable<Uint8Array>
  /** Known once the first chunk, or the end, was read. */
  readonly found: () => FoundResource
}

/**
 * The bytes of a file that a range names, through as many GETs as it takes. `check` sees what the
 * server says of the file before any byte of it is read, and throws if it is not the right one.
 */
export function download(
  requests: WebdavRequests,
  subject: Subject,
  range: ByteRange,
  check: (found: FoundResource) => Promise<void> = async () => {},
): Download {
  let found: FoundResource | undefined
  let wanted: OpenedBody['wanted'] | undefined
  const attempted = { doing: subject.doing, target: requests.target(subject.path) }
  const open = async (at?: number): Promise<OpenedBody> => {
    const asked: ByteRange = wanted === undefined || at === undefined ? range : { offset: at, length: wanted.end - at }
    const reply = await requests.open(subject, {
      method: 'GET',
      headers: { range: rangeHeader(asked) },
      accept: [200, 206, 416],
    })
    const { body } = reply
    try {
      if (reply.status === 416) throw rangeError(range, sizeOf416(reply), attempted.target)
      refuseForeign(reply, attempted)
      const place = placeOf(headersOf(reply), asked, `${subject.doing} ${attempted.target}`)
      if (place === undefined) throw unconfirmed(attempted, 'the reply has neither a range nor a length')
      const version = versionOf(reply.headers.etag)
      if (found === undefined || wanted === undefined) {
        wanted = wantedOf(range, place.fileSize)
        if (wanted.start > place.fileSize) throw rangeError(range, place.fileSize, attempted.target)
        const modifiedAt = Date.parse(reply.headers['last-modified'] ?? '')
        found = { offset: wanted.start, fileSize: place.fileSize, version, modifiedAt }
        await check(found)
      } else if (place.fileSize !== found.fileSize || version !== found.version) throw changed(attempted)
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
    what: `${subject.doing} ${attempted.target}`,
    signal: subject.signal,
    closing: requests.closing,
    onRetry: () => requests.counters.retry(subject.operation),
    onBytes: (count) => requests.counters.bytes(subject.operation, count),
    toError: (error) => requests.typed(error, subject),
  })
  return { chunks, found: () => found ?? { offset: 0, fileSize: 0, version: undefined, modifiedAt: Number.NaN } }
}

function headersOf({ status, headers }: Reply) {
  return {
    contentRange: status === 206 ? (headers['content-range'] ?? '') : undefined,
    contentLength: headers['content-length'] === undefined ? undefined : Number(headers['content-length']),
  }
}

function sizeOf416({ headers }: Reply): number | undefined {
  const size = /^bytes \*\/(\d{1,16})$/.exec(headers['content-range'] ?? '')?.[1]
  return size === undefined ? undefined : Number(size)
}

/** A login page, or a body that a proxy has compressed, is not the content of a file. */
function refuseForeign({ headers }: Reply, attempted: { readonly doing: string; readonly target: string }): void {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    throw unconfirmed(attempted, `the reply has the content encoding "${encoding.slice(0, 40)}"`)
  }
  if (/^(text\/html|application\/xhtml)/i.test(headers['content-type'] ?? '') && headers.etag === undefined) {
    throw unconfirmed(attempted, 'the reply is a page in HTML')
  }
}

function changed({ doing, target }: { readonly doing: string; readonly target: string }): LitestreamError {
  return new LitestreamError('NOT_FOUND', `${doing} ${target} failed: the file was replaced while it was read`, {
    file: target,
    hint: 'List the replica again: it was reset, or another primary writes to it.',
  })
}
