import type { ReadAheadStats } from './read-ahead.js'

/** Objects in native memory, which JavaScript code only passes on. */
declare const nativeCache: unique symbol
declare const nativeFile: unique symbol
declare const nativePages: unique symbol
export interface NativePageCache {
  readonly [nativeCache]: never
}
export interface NativeHydratedFile {
  readonly [nativeFile]: never
}

export interface NativeCommitPages {
  readonly [nativePages]: never
}

/** The changed pages of a connection's commit. */
export interface TakenCommit {
  readonly pages: NativeCommitPages
  /** Page size in bytes. */
  readonly pageSize: number
  /** Size of the database after the commit, in pages. */
  readonly commit: number
  readonly durability: number
  /** Page numbers in ascending order. */
  readonly pgnos: Uint32Array
}

/** Functions of the addon for commits, which only the replica worker may call. */
export interface ReplicaWriteNative {
  /**
   * Sets whether connections may write. `timeout` is the maximum time in milliseconds for which a
   * connection waits for the RESERVED lock, and for a commit.
   */
  setWritable(replica: number, writable: boolean, timeout: number): void
  /**
   * `request` is a request of the kind `commit`. Returns the transaction of the connection that
   * sent the request. Returns undefined if the connection no longer waits.
   */
  takeCommit(request: number): TakenCommit | undefined
  /**
   * Copies `count` pages to `out`, starting at index `from` of the page list. Returns false if a
   * page cannot be read.
   */
  readCommit(pages: NativeCommitPages, from: number, count: number, out: Uint8Array): boolean
  /** Completes a request of the kind `commit`. The connection then reads `view`. */
  completeCommit(request: number, view: number): void
}

export interface BridgeRequest {
  readonly id: number
  readonly kind: number
  readonly replica: number
  /** ID of the requesting connection, or 0 if the request has no connection. */
  readonly reader: number
  readonly view: number
  readonly pgno: number
  /** The last index leaf page that the connection read, or 0 if the connection has read none. */
  readonly indexLeaf: number
  readonly text: string
}

/**
 * Information about a replica, which any thread can read without a request to the replica worker.
 */
export interface NativeReplicaInfo {
  readonly key: string
  readonly state: number
  /**
   * Time from `monotonicMs()` at which the last successful poll began, or 0 if no poll has
   * succeeded.
   */
  readonly contact: number
  /**
   * The code and the message of the most recent error in one text, which is empty if there is no
   * error.
   */
  readonly error: string
  readonly hits: number
  readonly misses: number
  readonly readers: number
  /** Number of requests that the replica worker's JavaScript code has handled. */
  readonly crossings: number
  /** Progress of the hydration, from 0 to 1. */
  readonly hydration: number
  readonly txid?: number
  readonly timestamp?: number
  readonly commit?: number
  readonly pageSize?: number
  readonly cacheBytes?: number
  readonly readAhead: ReadAheadStats
}

export interface ViewFacts {
  readonly txid: number
  /** Time of the view in milliseconds since the epoch. */
  readonly timestamp: number
  /** Size of the database in pages. */
  readonly commit: number
  /** The value of SQLite's change counter in the view. */
  readonly counter: number
  /** The number that is added to the schema cookie that SQLite reads. */
  readonly cookieShift: number
  readonly cache: NativePageCache
  readonly hydrated: NativeHydratedFile | null
}

/** Functions of the addon for replica handles. Any thread may call them. */
export interface ReplicaHandleNative {
  /**
   * Returns the ID of the replica with this key, and adds a reference. Creates the replica if it
   * does not exist.
   */
  acquireReplica(key: string): number
  /**
   * Removes a reference. Returns true if no reference is left, and the replica worker closes the
   * replica in this case.
   */
  releaseReplica(id: number): boolean
  replicaInfo(id: number): NativeReplicaInfo | undefined
  /** Numbers of live native objects, for leak tests. */
  liveObjects(): { replicas: number; views: number; chunks: number; readers: number }
  /**
   * Announces a replica worker that is about to start. Returns a ticket. Returns 0 if a replica
   * worker exists or is already announced.
   */
  expectWorker(): number
  /** Withdraws the announcement with this ticket, because the replica worker could not start. */
  unexpectWorker(ticket: number): void
  /** Returns the number of replica workers that have exited or could not start. */
  workerEpoch(): number
  workerAlive(): boolean
  openReplicas(): number
  /**
   * Queues a request without waiting for a response, and keeps the request until a replica worker
   * attaches.
   */
  tellWorker(kind: number, replica: number, text: string): void
}

/**
 * Functions of the addon that only the thread of the replica worker may call. Pages and slots are
 * passed as numbers.
 */
export interface ReplicaWorkerNative {
  /**
   * Makes this thread the replica worker. Calls `onRequests` when requests are in the queue.
   * Returns false if a replica worker exists already.
   */
  attachWorker(onRequests: () => void): boolean
  takeRequests(): BridgeRequest[]
  completeRequest(id: number): void
  failRequest(id: number, code: string, message: string): void
  /**
   * Completes a request of the kind `travel`. After the request, the connection reads `view`, which
   * no other connection reads.
   */
  completeTravel(id: number, view: number): void
  allReplicas(): { id: number; key: string; orphaned: boolean }[]
  setState(replica: number, state: number, code: string, message: string): void
  /**
   * Records a successful poll, after which the replica is live and has no error. `contact` is the
   * time from `monotonicMs()` at which the poll began.
   */
  setLive(replica: number, contact: number): void
  /**
   * Sets the limits of reads, in milliseconds. A read waits at most `readTimeout` for a page. A
   * transaction is refused if the last successful poll is older than `maxStale`. If `maxStale` is
   * undefined, no transaction is refused.
   */
  setLimits(replica: number, readTimeout: number, maxStale: number | undefined): void
  /**
   * Returns a value of the incarnation counter that no view of the replica has had. The replica
   * worker needs a new value if a TXID or a schema cookie may now have another meaning. The first
   * value is 0.
   */
  nextIncarnation(replica: number): number
  /** Sets the progress of the hydration (0 to 1) and the path of the hydration file. */
  setHydration(replica: number, progress: number, path: string): void
  /**
   * Creates a view with the pages of `base`, except the `changed` pages. A `base` of 0 means no
   * base. Returns the ID of the new view.
   */
  addView(replica: number, base: number, facts: ViewFacts, changed: Uint32Array): number
  publishView(replica: number, view: number): void
  /** Retires a view. A retired view is freed when no reader uses it. */
  retireView(replica: number, view: number): void
  /** Frees retired views that no reader uses. Returns the IDs of the remaining views. */
  collectViews(replica: number): Uint32Array
  /**
   * Returns the fields of a view, or undefined if the view was freed. An earlier replica worker may
   * have created the view.
   */
  viewFacts(
    replica: number,
    view: number,
  ): { txid: number; timestamp: number; commit: number; pageSize: number } | undefined
  createCache(pageSize: number, slots: number): NativePageCache
  /**
   * Decodes frames to slots of the page cache, and adds the pages to the view. A `view` of 0 means
   * no view. For each frame, `frames` contains the offset in `source`, the size, the page number,
   * the slot and the prefetch kind. The prefetch kind is 0 for a page that was not prefetched. If a
   * reader waits for the page, `constants.joined` is added to the prefetch kind.
   *
   * Returns the number of valid frames. If this number is lower than the number of frames in
   * `frames`, the next frame is damaged. For each valid frame, replaces the offset in `frames` by
   * the b-tree page type (2 or 5 for an interior page, 10 or 13 for a leaf page, 0 for any other
   * page).
   */
  fillSlots(replica: number, view: number, cache: NativePageCache, source: Uint8Array, frames: Uint32Array): number
  /**
   * Adds the page in a slot to the view of a waiting reader, and completes the reader's request.
   */
  answerPage(request: number, replica: number, view: number, pgno: number, cache: NativePageCache, slot: number): void
  /** Returns whether the slot was read after the previous call. */
  touched(cache: NativePageCache, slot: number): boolean
  /** Makes the next read of the slot send one request of the kind `ahead`. */
  setTrigger(cache: NativePageCache, slot: number): void
  /**
   * Returns the entries of the index leaf page in a slot, in key order. Each entry consists of the
   * rowid and a fingerprint of the first column. If the rowid is on an overflow page, NaN replaces
   * the rowid.
   */
  indexEntries(cache: NativePageCache, slot: number, pgno: number): Float64Array
  /**
   * Returns the first columns of a row on the table leaf page in a slot. A column that is not an
   * integer is NaN. Returns an empty array if the page does not contain the row.
   */
  rowIntegers(cache: NativePageCache, slot: number, pgno: number, rowid: number): Float64Array
  /**
   * The slot holds a table interior page. Returns the child page whose subtree contains `rowid`.
   * Returns 0 for every other page type.
   */
  tableChild(cache: NativePageCache, slot: number, pgno: number, rowid: number): number
  /**
   * Returns the root pages that the schema table leaf page in a slot contains. Returns an empty
   * array for any other page type.
   */
  schemaRoots(cache: NativePageCache, slot: number, pgno: number, commit: number): Uint32Array
  /**
   * Returns the child pages of the interior page in a slot, in key order. Returns an empty array
   * for any other page type.
   */
  btreeChildren(cache: NativePageCache, slot: number, pgno: number, commit: number): Uint32Array
  /**
   * Opens or creates a hydration file. Returns an errno if the file cannot be opened, is not a
   * regular file, or is locked by another replica. With `fresh`, creates an empty file at the path
   * in `temporary`. This file later replaces the old file.
   */
  openHydrated(
    replica: number,
    path: string,
    temporary: string,
    pageSize: number,
    fresh: boolean,
  ): NativeHydratedFile | number
  /**
   * Closes the handle of a hydration file. The file itself stays open as long as a view reads from
   * it.
   */
  closeHydrated(file: NativeHydratedFile): void
  /**
   * Returns the number of views that may read from the file, including views of earlier replica
   * workers.
   */
  sharingViews(replica: number, file: NativeHydratedFile): number
  /** Of the views that may read from the file, returns the largest database size in pages. */
  sharedPages(replica: number, file: NativeHydratedFile): number
  /**
   * Returns false if another program has changed the file. After such a change, all later calls
   * also return false, and readers no longer use the file.
   */
  hydratedIntact(file: NativeHydratedFile): boolean
  /** Sets the size of the hydration file to `pages` pages. Returns 0 or an errno. */
  resizeHydrated(file: NativeHydratedFile, pages: number): number
  /**
   * Decodes frames on another thread, and writes some of their pages to the file. For each frame,
   * `frames` contains the offset, the size, the page number, and 1 if the page must be written or 0
   * if not. Resolves with an errno, the index of a damaged frame or -1, the CRC of all frames as
   * the file checksum uses it, and the number of bytes that the CRC covers.
   */
  writeHydrated(
    file: NativeHydratedFile,
    source: Uint8Array,
    frames: Uint32Array,
  ): Promise<[errno: number, damaged: number, crc: bigint, length: number]>
  syncHydrated(file: NativeHydratedFile): Promise<number>
  /** In the view, marks pages that must not be read from the hydration file. */
  unmarkHydrated(replica: number, view: number, pgnos: Uint32Array): void
  /** In the view, marks pages that can be read from the hydration file. */
  markHydrated(replica: number, view: number, pgnos: Uint32Array): void
}
