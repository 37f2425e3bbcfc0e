import type { WaitOptions } from '../util/wait.js'
import type { AskedGuarantees } from './write-guarantees.js'

/** One LTX file of a replica, as `list` and `stat` return it. */
export interface LtxFileInfo {
  /** Level of the file. 0 is an L0 file, 1 to 8 are compacted files, and 9 is a snapshot. */
  readonly level: number
  /** First TXID of the file. */
  readonly minTxid: number
  /** Last TXID of the file. */
  readonly maxTxid: number
  /** Size in bytes. */
  readonly size: number
  /**
   * Time of the file in milliseconds since the epoch. `list` returns the time in the store's
   * listing (mtime, LastModified). `stat` returns the timestamp of the LTX header if the object's
   * metadata contains this timestamp.
   */
  readonly createdAt: number
  /**
   * The store's version of the object (entity tag, NUID or exact mtime). Both `list` and `stat` set
   * `version`. The field is undefined if the store has no versions.
   */
  readonly version?: string | undefined
  /**
   * Permission bits of the file, or undefined if the store has no permissions. A database that is
   * restored from a file must not be readable by more users than the file itself.
   */
  readonly mode?: number | undefined
}

/** Identifies one file by level and TXID range. */
export type LtxFileRef = Pick<LtxFileInfo, 'level' | 'minTxid' | 'maxTxid'>

export interface RequestOptions {
  /** Aborts the request, whose promise then rejects. */
  readonly signal?: AbortSignal
}

export interface ReadOptions extends RequestOptions {
  /**
   * Whether the read bypasses all caches of the client. A caller must bypass the caches if an
   * earlier read returned damaged bytes.
   */
  readonly fresh?: boolean
  /**
   * Buffer into which the client may write the result. A client may ignore `into`. The client uses
   * `into` only if it is large enough for the result. After a rejection, the caller must not reuse
   * the buffer, because a system call that could not be cancelled may still write to it.
   */
  readonly into?: Uint8Array | undefined
}

export interface ListOptions extends RequestOptions {
  /** Lists only files whose *min* TXID is at least this TXID. */
  readonly fromTxid?: number
}

/**
 * A byte range of a file. If `length` is undefined, the range ends at the end of the file. `suffix`
 * is a number of bytes at the end of the file. A suffix range of a file with fewer bytes is the
 * whole file.
 */
export type ByteRange = { readonly offset: number; readonly length?: number } | { readonly suffix: number }

export interface ReadResult {
  /** The bytes of the requested range. */
  readonly data: Uint8Array
  /** Offset of `data` in the file. */
  readonly offset: number
  /** The size of the whole file. */
  readonly fileSize: number
}

export interface WriteOptions extends RequestOptions {
  /**
   * Timestamp of the LTX header in milliseconds since the epoch. The store keeps the timestamp as
   * metadata of the object or as mtime of the file.
   */
  readonly timestamp: number
  /**
   * Path of a local file that is on durable storage. The local file has the same content as `body`
   * and never changes. A store in the same file system may link the local file instead of copying
   * it.
   */
  readonly localFile?: string
  /**
   * Whether the write fails with PRECONDITION_FAILED if a file with the name exists.
   * `ReplicaClient.guarantees` says how reliably the store enforces `createOnly`.
   */
  readonly createOnly?: boolean
}

/**
 * The counters of one kind of request, as `stats()` returns them. The counters start at 0 when the
 * client is created.
 */
export interface OperationStats {
  /** Number of requests. A retry does not count as a further request. */
  requests: number
  /** Number of requests that failed. */
  errors: number
  /** Number of repeated attempts over all requests. */
  retries: number
  /** Number of bytes that the client has sent or received. */
  bytes: number
  /** Total duration of the requests in seconds. */
  seconds: number
}

export type Operation = 'LIST' | 'GET' | 'PUT' | 'DELETE' | 'HEAD'

/**
 * A small object with a name, beside the LTX files, such as the lease. The tag identifies the
 * version of the object for compare-and-set.
 */
export interface TaggedObject {
  /** The content of the object. */
  readonly data: Uint8Array
  /** The version of the object as the store reports it. */
  readonly tag: string
}

/** An object of a replica in the format of Litestream 0.3. */
export interface LegacyObject {
  /** Path of the object relative to the replica's path. */
  readonly name: string
  /** Size in bytes. */
  readonly size: number
  /** Modification time of the object as the store reports it, in milliseconds since the epoch. */
  readonly createdAt: number
  /** Permission bits of the object, or undefined if the store has no permissions. */
  readonly mode?: number
}

/** Read access to the files of Litestream 0.3 at the URL of a replica. */
export interface LegacyObjects {
  /** Lists all objects whose names begin with `prefix`, in no particular order. */
  list(prefix: string, options?: RequestOptions): AsyncIterable<LegacyObject>
  /** Reads the content of an object. */
  stream(name: string, options?: RequestOptions): AsyncIterable<Uint8Array>
}

/**
 * A client of one replica. A replica is the set of LTX files of one database in a store. All other
 * code of this package accesses stores only through ReplicaClient. All methods throw
 * LitestreamError with NOT_FOUND, ACCESS_DENIED, PRECONDITION_FAILED, THROTTLED, UNAVAILABLE,
 * TIMEOUT, ABORTED, DISK_FULL or STORAGE_FAILED. For a range outside the file, a method throws
 * INVALID_ARGUMENT. The client retries temporary faults, so an error that the client throws is
 * final. Concurrent calls are allowed.
 */
export interface ReplicaClient {
  /** The kind of store. */
  readonly type: 'file' | 's3' | 'nats' | 'sftp' | 'webdav' | 'gs' | 'abs' | 'oss'
  /** The URL with which the client was created, without credentials. */
  readonly url: string
  /**
   * Lists the files of one level in ascending (min, max) order. The client requests the pages of
   * the listing on demand. If a listing fails, `list` throws instead of returning an empty list.
   */
  list(level: number, options?: ListOptions): AsyncIterable<LtxFileInfo>
  /**
   * Lists the files of a level and of all higher levels in (level, min, max) order. `listUpwards`
   * needs as many requests as `list` for one level. `fromTxid` applies only to the files of
   * `level`. `listUpwards` is absent if the store must list each level separately.
   */
  listUpwards?(level: number, options?: ListOptions): AsyncIterable<LtxFileInfo>
  /**
   * Reads a byte range into memory. The range must lie inside the file, except for a suffix range.
   * Throws NOT_FOUND if `file` comes from a listing and the store now has a file of another size or
   * version. Another size or version means that the replica was reset after the listing.
   */
  read(file: LtxFileRef, range: ByteRange, options?: ReadOptions): Promise<ReadResult>
  /**
   * Reads a file as a stream, from `offset` on. If the body is interrupted, the client requests the
   * rest of the file. Throws NOT_FOUND under the same condition as `read`.
   */
  stream(file: LtxFileRef, options?: RequestOptions & { readonly offset?: number }): AsyncIterable<Uint8Array>
  /**
   * Writes a file. The complete file appears under its name, or no file appears. The client may use
   * a chunk of `body` only until it requests the next chunk.
   */
  write(file: LtxFileRef, body: Uint8Array | AsyncIterable<Uint8Array>, options: WriteOptions): Promise<LtxFileInfo>
  /** Deletes files. A missing file counts as deleted. */
  delete(files: readonly LtxFileRef[], options?: RequestOptions): Promise<void>
  /** Returns size, time and version of a file. Throws NOT_FOUND if the file does not exist. */
  stat(file: LtxFileRef, options?: RequestOptions): Promise<LtxFileInfo>
  /**
   * Calls `onChange` soon after a file may have been added to level 0. The promise of `watch`
   * resolves when the watch is active. The watch ends when the signal aborts or the client closes.
   * After an interruption the client renews the watch and calls `onChange`, because changes may
   * have been missed in the meantime. `watch` is absent if the store cannot report changes. Without
   * `watch`, callers must poll.
   */
  watch?(onChange: () => void, options?: RequestOptions): Promise<void>
  /**
   * Lists the replicas at and below the URL. A replica is given by its path relative to the URL (""
   * for the URL itself). The client returns the paths as the store reports them, and neither
   * decodes nor checks them. `replicas` is absent if the store cannot list replicas.
   */
  replicas?(options?: RequestOptions): AsyncIterable<string>
  /**
   * What the store guarantees if several writers write the same name. `guarantees` is absent if the
   * store enforces the conditions of all writes.
   */
  readonly guarantees?: AskedGuarantees | undefined
  /**
   * Whether the client only creates objects, and never replaces or deletes an object
   * (write-once.ts).
   */
  readonly writeOnce?: boolean | undefined
  /**
   * Access to the files of Litestream 0.3. `legacy` is absent if Litestream 0.3 did not support
   * this kind of store.
   */
  readonly legacy?: LegacyObjects | undefined
  /**
   * Reads a small object beside the levels, such as `lock.json`. Returns undefined if the object
   * does not exist.
   */
  getObject(name: string, options?: RequestOptions): Promise<TaggedObject | undefined>
  /**
   * Writes a small object if its tag is still `ifTag`. If `ifTag` is null, writes the object only
   * if it does not exist. Throws PRECONDITION_FAILED if the tag differs, or if the object exists
   * although `ifTag` is null. Returns the new tag of the object.
   */
  putObject(name: string, data: Uint8Array, ifTag: string | null, options?: RequestOptions): Promise<string>
  /**
   * Deletes a small object if its tag is still `ifTag`. Throws PRECONDITION_FAILED if the tag
   * differs.
   */
  deleteObject(name: string, ifTag: string, options?: RequestOptions): Promise<void>
  /**
   * Returns the counters of each kind of request. The counters start at 0 when the client is
   * created.
   */
  stats(): Readonly<Record<Operation, OperationStats>>
  /**
   * Closes the connections and aborts requests that have not finished. `signal` and `timeout` limit
   * only how long the caller waits for the end of closing.
   */
  close(waiting?: WaitOptions): Promise<void>
}
