import type { WaitOptions } from '../util/wait.js'
import type { AskedGuarantees } from './write-guarantees.js'

/** One LTX file of a replica, from a listing or a stat. */
export interface LtxFileInfo {
  /** 0: L0 file, 1 to 8: compacted file, 9: snapshot. */
  readonly level: number
  /** First TXID of the file. */
  readonly minTxid: number
  /** Last TXID of the file. */
  readonly maxTxid: number
  /** Size in bytes. */
  readonly size: number
  /**
   * Milliseconds since the epoch. From `list`: the time that the store returns without another
   * request (mtime, LastModified). From `stat`: the timestamp of the LTX header in the object's
   * metadata, if it has one.
   */
  readonly createdAt: number
  /**
   * The store's version of the object, from `list` and `stat` (entity tag, NUID or exact mtime);
   * undefined if the store has none.
   */
  readonly version?: string | undefined
  /**
   * Permission bits, if the store has them: a database made from the file must not be readable by
   * more users.
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
  /** An earlier read returned damaged bytes: no cache may answer. */
  readonly fresh?: boolean
  /**
   * A buffer for the result, if it is large enough; a client may ignore it. After a rejection it
   * must not be reused, because a system call that could not be cancelled may still write to it.
   */
  readonly into?: Uint8Array | undefined
}

export interface ListOptions extends RequestOptions {
  /** List only files whose *min* TXID is at least this. */
  readonly fromTxid?: number
}

/**
 * A byte range of a file. Without `length`: to the end. `suffix`: the last bytes (a shorter file
 * completely).
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
  /** The LTX header's timestamp in ms since the epoch; stored as metadata or mtime. */
  readonly timestamp: number
  /**
   * A local, durable file with the same content that will never change: a store in the same file
   * system may link it instead of copying it.
   */
  readonly localFile?: string
  /** Fail with PRECONDITION_FAILED if the name exists; `guarantees` says how reliably. */
  readonly createOnly?: boolean
}

/** The counters of `stats()` for one kind of request since the client was created. */
export interface OperationStats {
  /** Number of requests, without retries. */
  requests: number
  /** Number of requests that failed. */
  errors: number
  /** Number of repeated attempts. */
  retries: number
  /** Bytes that were sent or received. */
  bytes: number
  /** Total duration of the requests in seconds. */
  seconds: number
}

export type Operation = 'LIST' | 'GET' | 'PUT' | 'DELETE' | 'HEAD'

/**
 * A small named object beside the LTX files (the lease), with the store's version tag for
 * compare-and-set.
 */
export interface TaggedObject {
  /** The content. */
  readonly data: Uint8Array
  /** The store's version of the object. */
  readonly tag: string
}

/** An object of a replica in Litestream 0.3's format; its name is relative to the replica. */
export interface LegacyObject {
  /** Path of the object relative to the replica. */
  readonly name: string
  /** Size in bytes. */
  readonly size: number
  /** Milliseconds since the epoch, as reported by the store. */
  readonly createdAt: number
  /** Permission bits, if the store has them. */
  readonly mode?: number
}

/** Read access to files of Litestream 0.3 at the URL of a replica. */
export interface LegacyObjects {
  /** All objects whose names begin with `prefix`, in no particular order. */
  list(prefix: string, options?: RequestOptions): AsyncIterable<LegacyObject>
  /** The content of an object. */
  stream(name: string, options?: RequestOptions): AsyncIterable<Uint8Array>
}

/**
 * A replica: the LTX files of one database in a store. The only interface between this package and
 * stores. All methods throw LitestreamError with NOT_FOUND, ACCESS_DENIED, PRECONDITION_FAILED,
 * THROTTLED, UNAVAILABLE, TIMEOUT, ABORTED, DISK_FULL or STORAGE_FAILED (INVALID_ARGUMENT for a
 * range outside the file). Temporary faults are retried inside; thrown errors are final. Concurrent
 * calls are allowed.
 */
export interface ReplicaClient {
  /** The kind of store. */
  readonly type: 'file' | 's3' | 'nats' | 'sftp' | 'webdav' | 'gs' | 'abs' | 'oss'
  /** The URL from which it was created, without credentials. */
  readonly url: string
  /**
   * The files of one level in ascending (min, max) order; pages are requested on demand. A failed
   * listing throws and is never an empty list.
   */
  list(level: number, options?: ListOptions): AsyncIterable<LtxFileInfo>
  /**
   * The files of a level and of all levels above it, in (level, min, max) order, at the cost of one
   * level; absent if the store must list each level separately. `fromTxid` applies to the first
   * level.
   */
  listUpwards?(level: number, options?: ListOptions): AsyncIterable<LtxFileInfo>
  /**
   * Reads a byte range, which must lie inside the file, into memory. If `file` comes from a listing
   * and the store's file has another size or version, throws NOT_FOUND: the replica was reset, and
   * this is another file.
   */
  read(file: LtxFileRef, range: ByteRange, options?: ReadOptions): Promise<ReadResult>
  /**
   * The whole file, or all bytes from `offset` on, as a stream; an interrupted body is continued.
   * Compares with the listing as `read` does.
   */
  stream(file: LtxFileRef, options?: RequestOptions & { readonly offset?: number }): AsyncIterable<Uint8Array>
  /**
   * Writes a file, which appears under its name atomically or not at all. The owner of the body may
   * reuse a chunk when the next one is requested.
   */
  write(file: LtxFileRef, body: Uint8Array | AsyncIterable<Uint8Array>, options: WriteOptions): Promise<LtxFileInfo>
  /** Deletes files; a missing file counts as deleted. */
  delete(files: readonly LtxFileRef[], options?: RequestOptions): Promise<void>
  /** Size, time and version of a file. Throws NOT_FOUND. */
  stat(file: LtxFileRef, options?: RequestOptions): Promise<LtxFileInfo>
  /**
   * Calls `onChange` soon after a file may have been added to level 0; absent if the store cannot
   * report this: poll. The promise resolves when the watch is active. The watch ends when the
   * signal aborts or the client closes. After an interruption the watch is renewed, and `onChange`
   * is called because changes may have been missed.
   */
  watch?(onChange: () => void, options?: RequestOptions): Promise<void>
  /**
   * The replicas at and below the URL, by their paths relative to it ("" for the URL itself),
   * without decoding or checks: names come from the store. Absent if the store cannot list them.
   */
  replicas?(options?: RequestOptions): AsyncIterable<string>
  /**
   * The guarantees of the store for several writers; absent if the store enforces every condition.
   */
  readonly guarantees?: AskedGuarantees | undefined
  /** Whether objects are only created, never replaced or deleted; see write-once.ts. */
  readonly writeOnce?: boolean | undefined
  /** Absent if the store never had replicas of Litestream 0.3. */
  readonly legacy?: LegacyObjects | undefined
  /**
   * Reads the small object `name` (`lock.json`) beside the levels; undefined if it does not exist.
   */
  getObject(name: string, options?: RequestOptions): Promise<TaggedObject | undefined>
  /**
   * Writes the object if its tag is still `ifTag` (null: if it does not exist); PRECONDITION_FAILED
   * otherwise. Returns the new tag.
   */
  putObject(name: string, data: Uint8Array, ifTag: string | null, options?: RequestOptions): Promise<string>
  /** Deletes the object if its tag is still `ifTag`; PRECONDITION_FAILED otherwise. */
  deleteObject(name: string, ifTag: string, options?: RequestOptions): Promise<void>
  /** Counters of the requests by kind, since the client was created. */
  stats(): Readonly<Record<Operation, OperationStats>>
  /**
   * Ends the connections; requests in flight are aborted. A signal or `timeout` ends only the wait.
   */
  close(waiting?: WaitOptions): Promise<void>
}
