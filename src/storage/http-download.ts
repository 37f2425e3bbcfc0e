import type { Readable } from 'node:stream'
import { isLitestreamError, LitestreamError } from '../errors.js'
import { type BodyOptions, gather, type OpenedBody, readBody } from './body-reader.js'
import { versionOf } from './entity-tags.js'
import { placeOf, type RangedReply, wantedOf } from './http-range.js'
import type { OperationCounters } from './operation-counters.js'
import { rangeError } from './range.js'
import type { ByteRange, LtxFileInfo, LtxFileRef, Operation, ReadOptions, ReadResult } from './replica-client.js'
import { unconfirmed } from './unconfirmed.js'

/** The response to a GET from a store that supports HTTP ranges. */
export interface ObjectReply extends RangedReply {
  readonly body: Readable
  /**
   * The generation or the entity tag of the object, or undefined if the response contains neither a
   * generation nor an entity tag.
   */
  readonly version: string | undefined
  /**
   * Time of the object's last modification, in milliseconds since the epoch (absent if the store
   * does not report the time in a response to a GET).
   */
  readonly modifiedAt?: number | undefined
}

/** The data about an object that the first response of a download contains. */
export interface FoundObject {
  /** Offset of the requested bytes in the object. */
  readonly offset: number
  readonly fileSize: number
  /** The version as the store wrote it in the first response. */
  readonly version: string | undefined
  /**
   * Time of the object's last modification, in milliseconds since the epoch, or undefined if the
   * store does not report the time in a response to a GET.
   */
  readonly modifiedAt: number | undefined
}

export interface Download {
  readonly chunks: AsyncIterable<Uint8Array>
  /**
   * Returns the data about the object. The caller must call `found` only after it has read a chunk
   * or the end of the download.
   */
  readonly found: () => FoundObject
}

/**
 * Compares the store's data about the object with the expected file, before the caller gets any
 * byte of the object. Throws if the store's object is not the expected one.
 */
export type FoundCheck = (found: FoundObject) => Promise<void> | void

export interface DownloadOptions extends Pick<BodyOptions, 'policy' | 'signal' | 'closing' | 'toError'> {
  /** Verb for messages, which is "reading". */
  readonly doing: string
  /** URL of the object, for messages. */
  readonly target: string
  readonly operation: Operation
  readonly counters: OperationCounters
  /** Whether the download fails if a response has no version. */
  readonly versioned: boolean
  readonly check: FoundCheck | undefined
  /**
   * Sends one GET. `version` is the version that the first response reported, or undefined in the
   * first request. If the store can check the version, a request for an object with another version
   * must fail.
   */
  get(asked: ByteRange, version: string | undefined): Promise<ObjectReply>
}

const NOTHING: FoundObject = { offset: 0, fileSize: 0, version: undefined, modifiedAt: undefined }

/**
 * Downloads a range of an object with as many GETs as necessary. If the object changes, GETs after
 * the first one fail, so all bytes belong to one version. Throws NOT_FOUND if another writer
 * replaces the object during the download.
 */
export function download(range: ByteRange, options: DownloadOptions): Download {
  const { doing, target, operation, counters, policy, signal, closing, toError } = options
  const what = `${doing} ${target}`
  let found: FoundObject | undefined
  let wanted: OpenedBody['wanted'] | undefined
  const open = async (at?: number): Promise<OpenedBody> => {
    const asked: ByteRange = wanted === undefined || at === undefined ? range : { offset: at, length: wanted.end - at }
    const reply = await request(options, asked, found)
    const { body, version } = reply
    try {
      if (options.versioned && !version) throw unconfirmed(what, 'the reply names no version of the object', target)
      const place = placeOf(reply, asked, what)
      if (place === undefined) throw unconfirmed(what, 'the reply has neither a range nor a length', target)
      if (found === undefined || wanted === undefined) {
        wanted = wantedOf(range, place.fileSize)
        if (wanted.start > place.fileSize) throw rangeError(range, place.fileSize, target)
        found = { offset: wanted.start, fileSize: place.fileSize, version, modifiedAt: reply.modifiedAt }
        await options.check?.(found)
      } else if (place.fileSize !== found.fileSize || versionOf(version) !== versionOf(found.version)) {
        throw changed(options)
      }
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
    policy,
    what,
    signal,
    closing,
    toError,
    counters,
    operation,
  })
  return { chunks, found: () => found ?? NOTHING }
}

async function request(options: DownloadOptions, asked: ByteRange, found: FoundObject | undefined) {
  try {
    const reply = await options.get(asked, found?.version)
    // Node.js would end the process for an error event without a listener, and the body may emit an
    // error before a consumer reads the body.
    reply.body.on('error', () => undefined)
    return reply
  } catch (error) {
    // Only a GET that continues a download carries the condition that the object has not changed.
    if (found !== undefined && isLitestreamError(error, 'PRECONDITION_FAILED')) throw changed(options)
    throw error
  }
}

function changed({ doing, target }: DownloadOptions): LitestreamError {
  return new LitestreamError('NOT_FOUND', `${doing} ${target} failed: the file was replaced during the read`, {
    file: target,
    hint: 'List the files of the replica again, then repeat the read. The replica was reset, or another primary writes to the replica.',
  })
}

/** The files of a replica in a store that supports HTTP ranges. */
export interface DownloadedFiles {
  /** URL of the file, for messages. */
  target(file: LtxFileRef): string
  /**
   * Downloads a range of a file. If `file` comes from a listing, compares the found file with the
   * listed file.
   */
  download(file: LtxFileRef, range: ByteRange, signal: AbortSignal | undefined): Download
  stat(file: LtxFileRef, options: { readonly signal?: AbortSignal }): Promise<LtxFileInfo>
}

/** Implements `ReplicaClient.read` for a store that supports HTTP ranges. */
export async function readRange(
  files: DownloadedFiles,
  file: LtxFileRef,
  range: ByteRange,
  { signal, into }: ReadOptions = {},
): Promise<ReadResult> {
  const wanted = 'suffix' in range ? range.suffix : range.length
  if (wanted === 0) return readNothing(files, file, range, signal)
  const { chunks, found } = files.download(file, range, signal)
  const room = into !== undefined && wanted !== undefined && wanted <= into.length ? into : undefined
  const data = await gather(chunks, () => wanted ?? found().fileSize - found().offset, room)
  const { offset, fileSize } = found()
  // For a range beyond the end of the object, an HTTP store returns fewer bytes, but a
  // ReplicaClient must throw an error.
  if (!('suffix' in range) && range.length !== undefined && data.length < range.length) {
    throw rangeError(range, fileSize, files.target(file))
  }
  return { data, offset, fileSize }
}

/** Reads an empty range with a HEAD, because HTTP cannot express an empty range. */
async function readNothing(
  files: DownloadedFiles,
  file: LtxFileRef,
  range: ByteRange,
  signal: AbortSignal | undefined,
): Promise<ReadResult> {
  const { size } = await files.stat(file, signal ? { signal } : {})
  const offset = 'suffix' in range ? size : range.offset
  if (offset > size) throw rangeError(range, size, files.target(file))
  return { data: new Uint8Array(), offset, fileSize: size }
}

/** Implements `ReplicaClient.stream` for a store that supports HTTP ranges. */
export async function* streamFrom(
  files: DownloadedFiles,
  file: LtxFileRef,
  { offset = 0, signal }: { readonly offset?: number; readonly signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array> {
  try {
    yield* files.download(file, { offset }, signal).chunks
  } catch (error) {
    // A store rejects a range that begins at the end of the object, but the result of the stream
    // must be empty.
    if (!isLitestreamError(error, 'INVALID_ARGUMENT')) throw error
    if ((await files.stat(file, signal ? { signal } : {})).size !== offset) throw error
  }
}
