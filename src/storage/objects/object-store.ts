import type { LitestreamError } from '../../errors.js'
import type { ObjectReply } from '../http-download.js'
import type { FolderPage } from '../paged-folders.js'
import type { ListedPage } from '../paged-listing.js'
import type { ByteRange } from '../replica-client.js'
import type { Requests, Subject } from './requests.js'

/** The data that a store reports about an object. */
export interface StoredObject {
  readonly key: string
  /** Size in bytes, or NaN if the store does not report it. */
  readonly size: number
  /**
   * The timestamp in the object's metadata, in milliseconds since the epoch. If the metadata has no
   * timestamp, the creation time of the object, or NaN if the store reports neither a timestamp nor
   * a creation time.
   */
  readonly createdAt: number
  /**
   * Generation or entity tag of the object. The version of an object changes when a writer replaces
   * the content.
   */
  readonly version: string | undefined
  /** The upload ID in the object's metadata (`PutOptions.uploadId`). */
  readonly uploadId?: string | undefined
}

/** One page of a listing. The keys are in ascending order. */
export type ObjectPage = ListedPage<StoredObject>

/**
 * The condition of a write or deletion. A string is the version that must exist, null means that no
 * object may exist, and undefined means no condition.
 */
export type IfVersion = string | null | undefined

export interface PutOptions {
  readonly ifVersion?: IfVersion
  /** LTX timestamp for the metadata, in milliseconds since the epoch. */
  readonly timestamp?: number | undefined
  /**
   * A random ID that the store keeps in the object's metadata. After a lost response, the ID shows
   * whether the existing object comes from this upload.
   */
  readonly uploadId?: string | undefined
}

/** The pieces of a body whose length is unknown. */
export interface Pieces {
  /**
   * Returns the next piece, or undefined after the final piece. Each piece has
   * `ObjectStore.pieceSize` bytes, except that the final piece may be shorter.
   */
  next(): Promise<Uint8Array | undefined>
  /** Whether the piece that `next` returned most recently is the final one. */
  readonly ended: boolean
}

/**
 * A store of objects with conditional writes. The implementations use the store's client library.
 * Each method except `putPieces` sends exactly one request. The request of a method ends when the
 * method's `signal` aborts. The methods may throw errors of any class. `toError` converts an error
 * of the store's methods to a LitestreamError.
 */
export interface ObjectStore {
  readonly type: 'gs' | 'abs'
  /**
   * The URL of the bucket or container without credentials. Error messages show the URL of the
   * bucket before the name of an object.
   */
  readonly url: string
  /**
   * Size in bytes up to which the client writes an object with a single `put`. The client writes a
   * larger object in pieces of `pieceSize` bytes.
   */
  readonly pieceSize: number
  /**
   * Whether `get` accepts a suffix range. If `get` does not accept a suffix range, the client
   * requests the size of the object first.
   */
  readonly suffixRanges: boolean
  /**
   * Returns one page of a listing. If the store supports the start key `from`, the page has only
   * keys that are equal to `from` or sort after it. `token` is the token that the previous page
   * returned, or undefined for the first page.
   */
  listPage(
    prefix: string,
    place: { readonly from?: string | undefined; readonly token?: string | undefined },
    signal: AbortSignal,
  ): Promise<ObjectPage>
  /**
   * Returns one page of the folders whose parent is `prefix`. The prefix is empty or ends with "/".
   */
  listFolders(prefix: string, token: string | undefined, signal: AbortSignal): Promise<FolderPage>
  /**
   * Reads a range of an object. Fails if `version` is defined and the object has another version.
   */
  get(key: string, range: ByteRange, version: string | undefined, signal: AbortSignal): Promise<ObjectReply>
  head(key: string, signal: AbortSignal): Promise<StoredObject>
  /** Writes an object and returns its new version. */
  put(key: string, data: Uint8Array, options: PutOptions, signal: AbortSignal): Promise<string>
  /**
   * Writes an object in several pieces. `requests` retries each request. putPieces() writes the
   * whole object atomically, or nothing. Returns the size of the object in bytes.
   */
  putPieces(requests: Requests, subject: Subject, key: string, pieces: Pieces, options: PutOptions): Promise<number>
  delete(key: string, ifVersion: string | undefined, signal: AbortSignal): Promise<void>
  toError(error: unknown, attempted: Attempted): LitestreamError
  close(): void
}

/** The verb and the object of a request, for the error message of the request. */
export interface Attempted {
  /** A verb such as "reading" or "writing". */
  readonly doing: string
  /** The URL of the requested object, such as `gs://bucket/key`. */
  readonly target: string
}
