import type { Readable } from 'node:stream'
import type { LitestreamError } from '../../errors.js'
import type { ByteRange } from '../replica-client.js'
import type { Requests, Subject } from './requests.js'

/** What a store says of one of its objects. */
export interface StoredObject {
  readonly key: string
  /** Bytes; NaN where the store does not say. */
  readonly size: number
  /** Milliseconds since the epoch: of the timestamp in its metadata, else of its creation; NaN where the store says neither. */
  readonly createdAt: number
  /** Changes whenever other content is written under the key: a generation, an entity tag. */
  readonly version: string | undefined
}

/** One page of a listing, in the order of keys. */
export interface ObjectPage {
  readonly objects: readonly StoredObject[]
  /** Asks for the next page; undefined on the last one. */
  readonly next: string | undefined
}

/** The answer to a GET: its headers, and its body as it comes. */
export interface ObjectBody {
  readonly body: Readable
  readonly version: string | undefined
  /** The header Content-Range. */
  readonly contentRange: string | undefined
  /** Bytes of the body. */
  readonly contentLength: number | undefined
}

/** What must be true of the object for a write or a deletion to be carried out; null: it must not exist. */
export type IfVersion = string | null | undefined

export interface PutOptions {
  readonly ifVersion?: IfVersion
  /** Milliseconds since the epoch, for the metadata. */
  readonly timestamp?: number | undefined
}

/** The pieces of a body whose length is not known. */
export interface Pieces {
  /** The next piece of `ObjectStore.pieceSize` bytes, the last one shorter; undefined after the last one. */
  next(): Promise<Uint8Array | undefined>
  /** Whether the piece that came last is the last one. */
  readonly ended: boolean
}

/**
 * A store of whole objects under keys, with conditional writes, as its client library speaks to it. Each method is one request, and ends
 * with `signal`, except `putPieces`. It may throw anything: `toError` makes a LitestreamError of it.
 */
export interface ObjectStore {
  readonly type: 'gs' | 'abs'
  /** The URL of the bucket or container, without credentials: the beginning of the names that messages show. */
  readonly url: string
  /** Bytes of the largest object that is written with one `put`, and of each piece of a larger one. */
  readonly pieceSize: number
  /** Whether `get` takes a suffix; where it does not, the size is asked for first. */
  readonly suffixRanges: boolean
  /** `from`: only objects whose key is this or a later one, where the store can tell them apart; `token`: of the page before. */
  listPage(
    prefix: string,
    place: { readonly from?: string | undefined; readonly token?: string | undefined },
    signal: AbortSignal,
  ): Promise<ObjectPage>
  /** `version`: fail unless the object is of this version. */
  get(key: string, range: ByteRange, version: string | undefined, signal: AbortSignal): Promise<ObjectBody>
  head(key: string, signal: AbortSignal): Promise<StoredObject>
  /** Returns the new version. */
  put(key: string, data: Uint8Array, options: PutOptions, signal: AbortSignal): Promise<string>
  /**
   * Writes an object of more than one piece, through `requests`, which retries each. The object appears at once or not at all. Returns
   * the size in bytes.
   */
  putPieces(requests: Requests, subject: Subject, key: string, pieces: Pieces, options: PutOptions): Promise<number>
  delete(key: string, ifVersion: string | undefined, signal: AbortSignal): Promise<void>
  toError(error: unknown, attempted: Attempted): LitestreamError
  close(): void
}

/** What a request was about, for the message of its error. */
export interface Attempted {
  /** "reading", "writing" … */
  readonly doing: string
  /** `gs://bucket/key`. */
  readonly target: string
}
