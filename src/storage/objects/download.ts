import { LitestreamError } from '../../errors.js'
import { type OpenedBody, readBody } from '../body-reader.js'
import { placeOf, wantedOf } from '../http-range.js'
import { rangeError } from '../range.js'
import type { ByteRange } from '../replica-client.js'
import type { ObjectStore } from './object-store.js'
import type { Requests, Subject } from './requests.js'

/** The store's data about the object in its response. */
export interface FoundObject {
  /** Offset of the requested bytes in the object. */
  readonly offset: number
  readonly fileSize: number
  readonly version: string
}

export interface Download {
  readonly chunks: AsyncIterable<Uint8Array>
  /** Known after the first chunk, or the end, was read. */
  readonly found: () => FoundObject
}

/**
 * Downloads a range of an object with as many GETs as necessary; all of them read the version that
 * the first one found. `check` receives the store's data about the object before any byte of it is
 * read, and throws if it is the wrong one.
 */
export function download(
  store: ObjectStore,
  requests: Requests,
  subject: Subject,
  key: string,
  range: ByteRange,
  check: (found: FoundObject) => void = () => {},
): Download {
  const what = `${subject.doing} ${subject.target}`
  let found: FoundObject | undefined
  let wanted: OpenedBody['wanted'] | undefined
  const open = async (at?: number): Promise<OpenedBody> => {
    const asked: ByteRange = wanted === undefined || at === undefined ? range : { offset: at, length: wanted.end - at }
    const reply = await requests.once(subject, (signal) => store.get(key, asked, found?.version, signal))
    const { body, version } = reply
    // A body that is not being read yet may still emit an error without a listener.
    body.on('error', () => undefined)
    try {
      if (!version) throw unconfirmed(what, 'the reply names no version of the object')
      const place = placeOf(reply, asked, what)
      if (place === undefined) throw unconfirmed(what, 'the reply has neither a range nor a length')
      if (found === undefined || wanted === undefined) {
        wanted = wantedOf(range, place.fileSize)
        if (wanted.start > place.fileSize) throw rangeError(range, place.fileSize, subject.target)
        found = { offset: wanted.start, fileSize: place.fileSize, version }
        check(found)
      } else if (version !== found.version || place.fileSize !== found.fileSize) throw changed(what, subject.target)
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
    what,
    signal: subject.signal,
    closing: requests.closing,
    onRetry: () => requests.counters.retry(subject.operation),
    onBytes: (count) => requests.counters.bytes(subject.operation, count),
    toError: (error) => requests.typed(error, subject),
  })
  return { chunks, found: () => found ?? { offset: 0, fileSize: 0, version: '' } }
}

/** The error for a successful response that is not in the form of the store. */
export function unconfirmed(what: string, why: string): LitestreamError {
  return new LitestreamError('UNAVAILABLE', `${what} failed: ${why}`, {
    hint: 'Check the endpoint and the network: another server answers there, or a proxy changes replies.',
  })
}

function changed(what: string, file: string): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `${what} failed: the object was replaced while it was read`, {
    file,
    hint: 'Repeat the command. If it fails again, check that no other process writes to the replica.',
  })
}
