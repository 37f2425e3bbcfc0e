/** One LTX file of a replica, as a listing or a stat tells it. */
export interface LtxFileInfo {
  /** 0 raw, 1..8 compacted, 9 snapshots. */
  readonly level: number
  readonly minTxid: number
  readonly maxTxid: number
  /** Bytes. */
  readonly size: number
  /**
   * Milliseconds since the epoch. From `list` it is what the store tells for nothing (mtime, LastModified); from `stat` it is the
   * timestamp of the LTX header as it travels in the object's metadata, if the object has any.
   */
  readonly createdAt: number
  /**
   * What the store tells contents under one name apart by, from `list` and `stat`: an entity tag, a NUID, the exact mtime. Absent where
   * it tells nothing.
   */
  readonly version?: string | undefined
  /** Permission bits, if the store has some: a database made from the file must not be open to more users. */
  readonly mode?: number | undefined
}

/** Names one file: level and TXID range are its whole identity. */
export type LtxFileRef = Pick<LtxFileInfo, 'level' | 'minTxid' | 'maxTxid'>

export interface RequestOptions {
  readonly signal?: AbortSignal
}

export interface ReadOptions extends RequestOptions {
  /** What was read before turned out to be damaged: no cache may answer. */
  readonly fresh?: boolean
  /**
   * Memory in which what is read may be returned, where there is room for it: a client may use it or leave it. After a rejection it must
   * not be used again, because a call of the system that could not be ended may still write to it.
   */
  readonly into?: Uint8Array | undefined
}

export interface ListOptions extends RequestOptions {
  /** List only files whose *min* TXID is at least this. */
  readonly fromTxid?: number
}

/** A piece of a file. Omitted length: to the end. `suffix`: the last so many bytes (all of a shorter file). */
export type ByteRange = { readonly offset: number; readonly length?: number } | { readonly suffix: number }

export interface ReadResult {
  readonly data: Uint8Array
  /** Where `data` starts in the file. */
  readonly offset: number
  /** The size of the whole file. */
  readonly fileSize: number
}

export interface WriteOptions extends RequestOptions {
  /** The LTX header's timestamp, ms since the epoch; travels as metadata or mtime. */
  readonly timestamp: number
  /**
   * A local file that has the same content, will never be changed and is durable: a store that keeps files beside it may give it a
   * second name instead of copying it.
   */
  readonly localFile?: string
  /** Fail with PRECONDITION_FAILED where the name is taken already (where the store can; all of ours can). */
  readonly createOnly?: boolean
}

/** What `stats()` counts for one kind of request since the client was made. */
export interface OperationStats {
  requests: number
  errors: number
  retries: number
  bytes: number
  /** Seconds spent, summed over requests. */
  seconds: number
}

export type Operation = 'LIST' | 'GET' | 'PUT' | 'DELETE' | 'HEAD'

/** A small named object beside the LTX files (the lease), with the store's version tag for compare-and-set. */
export interface TaggedObject {
  readonly data: Uint8Array
  readonly tag: string
}

/** An object of a replica in Litestream 0.3's format; its name is relative to the replica. */
export interface LegacyObject {
  readonly name: string
  readonly size: number
  /** Milliseconds since the epoch, as the store tells. */
  readonly createdAt: number
  /** Permission bits, if the store has some. */
  readonly mode?: number
}

/** Read access to what Litestream 0.3 left at the place of a replica. */
export interface LegacyObjects {
  /** All objects whose names begin with `prefix`, in no particular order. */
  list(prefix: string, options?: RequestOptions): AsyncIterable<LegacyObject>
  stream(name: string, options?: RequestOptions): AsyncIterable<Uint8Array>
}

/**
 * A replica: the LTX files of one database in one place. The only seam between the product and the world's stores. All methods
 * throw LitestreamError with NOT_FOUND, ACCESS_DENIED, PRECONDITION_FAILED, THROTTLED, UNAVAILABLE, TIMEOUT, ABORTED, DISK_FULL
 * or STORAGE_FAILED (INVALID_ARGUMENT for a range outside the file). Passing faults are retried inside; what is thrown is final. A client may be used by many callers at once.
 */
export interface ReplicaClient {
  readonly type: 'file' | 's3' | 'nats' | 'sftp' | 'gs' | 'abs'
  /** The URL it was made from, without credentials. */
  readonly url: string
  /** The files of one level in ascending (min, max) order; an error is an error and never an empty list. Lazily paged. */
  list(level: number, options?: ListOptions): AsyncIterable<LtxFileInfo>
  /**
   * The files of a level and of all above it, in (level, min, max) order, for the price of one level's; absent where each level has
   * to be asked for. `fromTxid` is of the first level.
   */
  listUpwards?(level: number, options?: ListOptions): AsyncIterable<LtxFileInfo>
  /**
   * Reads a piece into memory; the piece must lie inside the file. Where `file` is what a listing told, of another size or version
   * than that it is NOT_FOUND: the file of a replica that was begun anew is another one.
   */
  read(file: LtxFileRef, range: ByteRange, options?: ReadOptions): Promise<ReadResult>
  /** The whole file, or all from `offset` on, as a stream; a broken body continues where it stopped. What is listed is compared, too. */
  stream(file: LtxFileRef, options?: RequestOptions & { readonly offset?: number }): AsyncIterable<Uint8Array>
  /**
   * Writes a file: all of it appears under its name at once, or nothing does. A chunk of the body need not stay as it is once the
   * next one has been asked for.
   */
  write(file: LtxFileRef, body: Uint8Array | AsyncIterable<Uint8Array>, options: WriteOptions): Promise<LtxFileInfo>
  /** Deletes; a file that is not there counts as deleted. */
  delete(files: readonly LtxFileRef[], options?: RequestOptions): Promise<void>
  stat(file: LtxFileRef, options?: RequestOptions): Promise<LtxFileInfo>
  /**
   * Calls `onChange` soon after a file may have been added to level 0; absent where the store cannot tell: poll. The promise
   * resolves when the watch stands. It stands until the signal aborts or the client closes: an interruption is bridged inside,
   * and `onChange` called after it, for what may have been missed.
   */
  watch?(onChange: () => void, options?: RequestOptions): Promise<void>
  /** Absent where Litestream 0.3 could not be read from. */
  readonly legacy?: LegacyObjects
  /** Reads the small object `name` (`lock.json`) beside the levels; undefined where there is none. */
  getObject(name: string, options?: RequestOptions): Promise<TaggedObject | undefined>
  /** Writes it if its tag is still `ifTag` (null: if there is none); PRECONDITION_FAILED otherwise. Returns the new tag. */
  putObject(name: string, data: Uint8Array, ifTag: string | null, options?: RequestOptions): Promise<string>
  deleteObject(name: string, ifTag: string, options?: RequestOptions): Promise<void>
  stats(): Readonly<Record<Operation, OperationStats>>
  close(): Promise<void>
}
