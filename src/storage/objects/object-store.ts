import type { LitestreamError } from '../../errors.js'
import type { ObjectReply } from '../http-download.js'
import type { FolderPage } from '../paged-folders.js'
import type { ListedPage } from '../paged-listing.js'
import type { ByteRange } from '../replica-client.js'
import type { Requests, Subject } from './requests.js'

/** A store's data about one of its objects. */
export interface StoredObject {
  readonly key: string
  /** In bytes; NaN if the store does not report it. */
  readonly size: number
  /**
   * Milliseconds since the epoch: the timestamp in its metadata, otherwise its creation; NaN if the
   * store reports neither.
   */
  readonly createdAt: number
  /** Changes when other content is written under the key: a generation, or an entity tag. */
  readonly version: string | undefined
  /** The ID of the upload in its metadata (`PutOptions.uploadId`). */
  readonly uploadId?: string | undefined
}

/** One page of a listing, in the order of keys. */
export type ObjectPage = ListedPage<StoredObject>

/**
 * The condition of a write or deletion: the version that must exist; null: no object must exist.
 */
export type IfVersion = string | null | undefined

export interface PutOptions {
  readonly ifVersion?: IfVersion
  /** Milliseconds since the epoch, for the metadata. */
  readonly timestamp?: number | undefined
  /** A random ID for the metadata: after a lost response it shows whose object exists. */
  readonly uploadId?: string | undefined
}

/** The pieces of a body of unknown length. */
export interface Pieces {
  /**
   * The next piece of `ObjectStore.pieceSize` bytes, the last one shorter; undefined after the last
   * one.
   */
  next(): Promise<Uint8Array | undefined>
  /** Whether the last returned piece is the final one. */
  readonly ended: boolean
}

/**
 * A store of whole objects under keys, with conditional writes, through its client library. Each
 * method is one request, and ends with `signal`, except `putPieces`. Methods may throw any error,
 * which `toError` converts.
 */
export interface ObjectStore {
  readonly type: 'gs' | 'abs'
  /**
   * The URL of the bucket or container, without credentials: the prefix of object names in
   * messages.
   */
  readonly url: string
  /**
   * Maximum size of an object written with one `put`, and size of each piece of a larger one, in
   * bytes.
   */
  readonly pieceSize: number
  /** Whether `get` accepts a suffix; otherwise the size is requested first. */
  readonly suffixRanges: boolean
  /**
   * `from`: only objects with this key or a later one, if the store supports it; `token`: of the
   * previous page.
   */
  listPage(
    prefix: string,
    place: { readonly from?: string | undefined; readonly token?: string | undefined },
    signal: AbortSignal,
  ): Promise<ObjectPage>
  /** One page of the folders directly below `prefix`, which ends with "/" or is empty. */
  listFolders(prefix: string, token: string | undefined, signal: AbortSignal): Promise<FolderPage>
  /** `version`: fail unless the object has this version. */
  get(key: string, range: ByteRange, version: string | undefined, signal: AbortSignal): Promise<ObjectReply>
  head(key: string, signal: AbortSignal): Promise<StoredObject>
  /** Returns the new version. */
  put(key: string, data: Uint8Array, options: PutOptions, signal: AbortSignal): Promise<string>
  /**
   * Writes an object of several pieces, through `requests`, which retries each. The object appears
   * atomically or not at all. Returns the size in bytes.
   */
  putPieces(requests: Requests, subject: Subject, key: string, pieces: Pieces, options: PutOptions): Promise<number>
  delete(key: string, ifVersion: string | undefined, signal: AbortSignal): Promise<void>
  toError(error: unknown, attempted: Attempted): LitestreamError
  close(): void
}

/** The subject of a request, for its error message. */
export interface Attempted {
  /** "reading", "writing" … */
  readonly doing: string
  /** `gs://bucket/key`. */
  readonly target: string
}
