import type { Readable } from 'node:stream'
import { isLitestreamError, LitestreamError } from '../errors.js'
import { type BodyOptions, gather, type OpenedBody, readBody } from './body-reader.js'
import { versionOf } from './entity-tags.js'
import { placeOf, type RangedReply, wantedOf } from './http-range.js'
import type { OperationCounters } from './operation-counters.js'
import { rangeError } from './range.js'
import type { ByteRange, LtxFileInfo, LtxFileRef, Operation, ReadOptions, ReadResult } from './replica-client.js'
import { unconfirmed } from './unconfirmed.js'

/** The response to a GET of a store that answers HTTP ranges. */
export interface ObjectReply extends RangedReply {
  readonly body: Readable
  /** A generation or an entity tag; undefined if the response has none. */
  readonly version: string | undefined
  /** Milliseconds since the epoch, if the store reports the time with the bytes. */
  readonly modifiedAt?: number | undefined
}

/** The store's data about the object in its response. */
export interface FoundObject {
  /** Offset of the requested bytes in the object. */
  readonly offset: number
  readonly fileSize: number
  /** As the store wrote it in the first response. */
  readonly version: string | undefined
  /** Milliseconds since the epoch; undefined if the store does not report it with the bytes. */
  readonly modifiedAt: number | undefined
}

export interface Download {
  readonly chunks: AsyncIterable<Uint8Array>
  /** Known after the first chunk, or the end, was read. */
  readonly found: () => FoundObject
}

/** Checks the store's data about the object before any byte of it is read; throws if it is the wrong one. */
export type FoundCheck = (found: FoundObject) => Promise<void> | void

export interface DownloadOptions extends Pick<BodyOptions, 'policy' | 'signal' | 'closing' | 'toError'> {
  /** "reading" */
  readonly doing: string
  /** URL of the object, for messages. */
  readonly target: string
  readonly operation: Operation
  readonly counters: OperationCounters
  /** Whether a response without a version is refused. */
  readonly versioned: boolean
  readonly check: FoundCheck | undefined
  /**
   * One GET. `version`: that of the first response, which the object must still have, if the store
   * can check this.
   */
  get(asked: ByteRange, version: string | undefined): Promise<ObjectReply>
}

const NOTHING: FoundObject = { offset: 0, fileSize: 0, version: undefined, modifiedAt: undefined }

/**
 * Downloads a range of an object with as many GETs as necessary. All of them read the version that
 * the first one found: NOT_FOUND if the object is replaced meanwhile.
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
    // A body that is not being read yet may still emit an error without a listener.
    reply.body.on('error', () => undefined)
    return reply
  } catch (error) {
    // Only a continued download has a condition.
    if (found !== undefined && isLitestreamError(error, 'PRECONDITION_FAILED')) throw changed(options)
    throw error
  }
}

function changed({ doing, target }: DownloadOptions): LitestreamError {
  return new LitestreamError('NOT_FOUND', `${doing} ${target} failed: the file was replaced while it was read`, {
    file: target,
    hint: 'List the replica again: it was reset, or another primary writes to it.',
  })
}

/** The files of a replica in a store that answers HTTP ranges. */
export interface DownloadedFiles {
  /** URL of the file, for messages. */
  target(file: LtxFileRef): string
  /** Compares the found file with the listed one, if `file` comes from a listing. */
  download(file: LtxFileRef, range: ByteRange, signal: AbortSignal | undefined): Download
  stat(file: LtxFileRef, options: { readonly signal?: AbortSignal }): Promise<LtxFileInfo>
}

/** `ReplicaClient.read` for such a store. */
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
  // Stores shorten a range beyond the end; here it is an error, as on every store.
  if (!('suffix' in range) && range.length !== undefined && data.length < range.length) {
    throw rangeError(range, fileSize, files.target(file))
  }
  return { data, offset, fileSize }
}

/** HTTP cannot express an empty range. */
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

/** `ReplicaClient.stream` for such a store. */
export async function* streamFrom(
  files: DownloadedFiles,
  file: LtxFileRef,
  { offset = 0, signal }: { readonly offset?: number; readonly signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array> {
  try {
    yield* files.download(file, { offset }, signal).chunks
  } catch (error) {
    // The request began at the end of the object: nothing is left, which a store reports as an
    // invalid range.
    if (!isLitestreamError(error, 'INVALID_ARGUMENT')) throw error
    if ((await files.stat(file, signal ? { signal } : {})).size !== offset) throw error
  }
}
