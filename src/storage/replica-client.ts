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
   * Time of the file in milliseconds since the epoch. `list` returns the time that a listing
   * contains (mtime, LastModified). `stat` returns the timestamp of the LTX header if the object's
   * metadata contains it.
   */
  readonly createdAt: number
  /**
   * The store's version of the object (entity tag, NUID or exact mtime). `list` and `stat` set this
   * field. The version is undefined if the store has none.
   */
  readonly version?: string | undefined
  /**
   * Permission bits of the file, if the store has them. A database that is restored from the file
   * must not be readable by more users than the file.
   */
  readonly mode?: number | undefined
}

/** Identifies one file by level and TXID range. */
export type LtxFileRef = Pick<LtxFileInfo, 'level' | 'minTxid' | 'maxTxid'>

export interface RequestOptions {
  /** Aborts the request; its promise then rejects. */
  readonly signal?: AbortSignal
}

export interface ReadOptions extends RequestOptions {
  /**
   * Whether the read bypasses all caches. A read must bypass them if an earlier read returned
   * damaged bytes.
   */
  readonly fresh?: boolean
  /**
   * A buffer for the result. A client may ignore the buffer. The client uses the buffer only if it
   * is large enough. After a rejection the caller must not reuse the buffer, because a system call
   * that could not be cancelled may still write to the buffer.
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
  /** The bytes. */
  readonly data: Uint8Array
  /** Offset of `data` in the file. */
  readonly offset: number
  /** The size of the whole file. */
  readonly fileSize: number
}

export interface WriteOptions extends RequestOptions {
  /**
   * Timestamp of the LTX header in milliseconds since the epoch. The store keeps the timestamp as
   * metadata or mtime.
   */
  readonly timestamp: number
  /**
   * Path of a durable local file. The local file has the same content as `body` and never changes.
   * A store in the same file system may link this file instead of copying it.
   */
  readonly localFile?: string
  /**
   * Fails with PRECONDITION_FAILED if a file with the name exists. `guarantees` says how reliably
   * the store enforces this condition.
   */
  readonly createOnly?: boolean
}

/**
 * The counters of one kind of request, as `stats()` returns them. The counters start at 0
 * when the client is created.
 */
export interface OperationStats {
  /** Number of requests. A retry does not count as a request. */
  requests: number
  /** Number of requests that failed. */
  errors: number
  /** Number of retries. */
  retries: number
  /** Number of bytes that the client has sent or received. */
  bytes: number
  /** Total duration of the requests in seconds. */
  seconds: number
}

export type Operation = 'LIST' | 'GET' | 'PUT' | 'DELETE' | 'HEAD'

/**
 * A small named object beside the LTX files, such as the lease. The tag of the object is the
 * store's version for compare-and-set.
 */
export interface TaggedObject {
  /** The content of the object. */
  readonly data: Uint8Array
  /** The store's version of the object. */
  readonly tag: string
}

/** An object of a replica in the format of Litestream 0.3. */
export interface LegacyObject {
  /** Path of the object relative to the replica. */
  readonly name: string
  /** Size in bytes. */
  readonly size: number
  /** Time of the object as the store reports it, in milliseconds since the epoch. */
  readonly createdAt: number
  /** Permission bits, if the store has them. */
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
 * A client of one replica. A replica is the set of LTX files of one database in a store.
 * ReplicaClient is the only interface between this package and stores. All methods throw
 * LitestreamError with NOT_FOUND, ACCESS_DENIED, PRECONDITION_FAILED, THROTTLED, UNAVAILABLE,
 * TIMEOUT, ABORTED, DISK_FULL or STORAGE_FAILED. A range outside the file throws INVALID_ARGUMENT.
 * The client retries temporary faults, so an error that the client throws is final. Concurrent
 * calls are allowed.
 */
export interface ReplicaClient {
  /** The kind of store. */
  readonly type: 'file' | 's3' | 'nats' | 'sftp' | 'webdav' | 'gs' | 'abs' | 'oss'
  /** The URL from which the client was created. The URL contains no credentials. */
  readonly url: string
  /**
   * Lists the files of one level in ascending (min, max) order. The client requests pages on
   * demand. If a listing fails, the client throws instead of returning an empty list.
   */
  list(level: number, options?: ListOptions): AsyncIterable<LtxFileInfo>
  /**
   * Lists the files of a level and of all higher levels in (level, min, max) order. The listing
   * needs as many requests as the listing of one level. `fromTxid` applies to the first of these
   * levels only. `listUpwards` is absent if the store must list each level separately.
   */
  listUpwards?(level: number, options?: ListOptions): AsyncIterable<LtxFileInfo>
  /**
   * Reads a byte range into memory. The range must lie inside the file. Throws NOT_FOUND if `file`
   * comes from a listing and the file in the store has another size or version. The replica was
   * then reset.
   */
  read(file: LtxFileRef, range: ByteRange, options?: ReadOptions): Promise<ReadResult>
  /**
   * Reads a file as a stream, from `offset` on. The client continues an interrupted body. Throws
   * NOT_FOUND under the same condition as `read`.
   */
  stream(file: LtxFileRef, options?: RequestOptions & { readonly offset?: number }): AsyncIterable<Uint8Array>
  /**
   * Writes a file. The file appears under its name atomically or not at all. The client may keep a
   * chunk of the body only until it requests the next chunk.
   */
  write(file: LtxFileRef, body: Uint8Array | AsyncIterable<Uint8Array>, options: WriteOptions): Promise<LtxFileInfo>
  /** Deletes files. A missing file counts as deleted. */
  delete(files: readonly LtxFileRef[], options?: RequestOptions): Promise<void>
  /** Returns size, time and version of a file. Throws NOT_FOUND if the file does not exist. */
  stat(file: LtxFileRef, options?: RequestOptions): Promise<LtxFileInfo>
  /**
   * Calls `onChange` soon after a file may have been added to level 0. The promise resolves when
   * the watch is active. The watch ends when the signal aborts or the client closes. After an
   * interruption the client renews the watch and calls `onChange`, because changes may have been
   * missed in the meantime. `watch` is absent if the store cannot report changes. Callers must then
   * poll.
   */
  watch?(onChange: () => void, options?: RequestOptions): Promise<void>
  /**
   * Lists the replicas at and below the URL. A replica is given by its path relative to the URL (""
   * for the URL itself). The paths are the store's names. The client neither decodes nor checks
   * these names. `replicas` is absent if the store cannot list replicas.
   */
  replicas?(options?: RequestOptions): AsyncIterable<string>
  /**
   * The guarantees of the store for several writers. `guarantees` is absent if the store enforces
   * every condition.
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
   * although `ifTag` is null. Returns the new tag.
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
   * Closes the connections and aborts requests in flight. `signal` and `timeout` limit only how
   * long the caller waits.
   */
  close(waiting?: WaitOptions): Promise<void>
}
