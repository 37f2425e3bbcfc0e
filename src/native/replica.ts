import type { ReadAheadStats } from './read-ahead.js'

/** Objects in native memory, opaque to JavaScript. */
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

/** The pages of a connection's commit. */
export interface TakenCommit {
  readonly pages: NativeCommitPages
  /** In bytes. */
  readonly pageSize: number
  /** Size of the database after the commit, in pages. */
  readonly commit: number
  readonly durability: number
  /** Ascending. */
  readonly pgnos: Uint32Array
}

/** The addon's functions for commits: worker thread only. */
export interface ReplicaWriteNative {
  /**
   * Whether connections may write; how long they wait for the RESERVED lock and for a commit, in
   * ms.
   */
  setWritable(replica: number, writable: boolean, timeout: number): void
  /**
   * The transaction of the connection behind a request of the kind `commit`; undefined if the connection has
   * stopped waiting.
   */
  takeCommit(request: number): TakenCommit | undefined
  /**
   * Copies `count` pages, beginning at index `from` of the list, into `out`. False if a page cannot
   * be read.
   */
  readCommit(pages: NativeCommitPages, from: number, count: number, out: Uint8Array): boolean
  /** Answers such a request: from now on the connection reads `view`. */
  completeCommit(request: number, view: number): void
}

export interface BridgeRequest {
  readonly id: number
  readonly kind: number
  readonly replica: number
  /** Id of the requesting connection; 0: none. */
  readonly reader: number
  readonly view: number
  readonly pgno: number
  /** The last index leaf that the connection read; 0: none. */
  readonly indexLeaf: number
  readonly text: string
}

/** Information about a replica, available at any time on any thread without asking the worker. */
export interface NativeReplicaInfo {
  readonly key: string
  readonly state: number
  /** `monotonicMs` when the last successful poll began; 0 = none yet. */
  readonly contact: number
  /** The last error, as `CODE: message`; empty if there is none. */
  readonly error: string
  readonly hits: number
  readonly misses: number
  readonly readers: number
  /** Number of requests to the worker's JavaScript. */
  readonly crossings: number
  /** 0 to 1. */
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
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  /** Size of the database in pages. */
  readonly commit: number
  /** SQLite's change counter for the view. */
  readonly counter: number
  /** Added to the schema cookie that SQLite sees. */
  readonly cookieShift: number
  readonly cache: NativePageCache
  readonly hydrated: NativeHydratedFile | null
}

/** The addon's functions for replica handles: any thread. */
export interface ReplicaHandleNative {
  /** The id of the replica with this key, created if necessary; adds a reference. */
  acquireReplica(key: string): number
  /** Removes a reference. True if no reference is left: the worker then closes the replica. */
  releaseReplica(id: number): boolean
  replicaInfo(id: number): NativeReplicaInfo | undefined
  /** Number of live native objects, for leak tests. */
  liveObjects(): { replicas: number; views: number; chunks: number; readers: number }
  /**
   * Announces a worker that is about to start. Returns its ticket, or 0 if a worker exists or is
   * already announced.
   */
  expectWorker(): number
  /** The worker with this ticket will not attach. */
  unexpectWorker(ticket: number): void
  /** Number of workers that have exited or did not attach. */
  workerEpoch(): number
  workerAlive(): boolean
  openReplicas(): number
  /** Queues a request without waiting for an answer; it is kept until the worker attaches. */
  tellWorker(kind: number, replica: number, text: string): void
}

/**
 * The addon's functions for the replica worker, on its thread only. Page and slot numbers; pages in
 * bytes.
 */
export interface ReplicaWorkerNative {
  /**
   * Makes this thread the worker; `onRequests` is called when requests are queued. False if a
   * worker exists already.
   */
  attachWorker(onRequests: () => void): boolean
  takeRequests(): BridgeRequest[]
  completeRequest(id: number): void
  failRequest(id: number, code: string, message: string): void
  /** Moves the requesting connection to a view of its own. */
  completeTravel(id: number, view: number): void
  allReplicas(): { id: number; key: string; orphaned: boolean }[]
  setState(replica: number, state: number, code: string, message: string): void
  /**
   * A poll succeeded: the replica is live and has no error. `contact`: when the poll began, on the
   * clock of `monotonicMs`.
   */
  setLive(replica: number, contact: number): void
  /**
   * How long a read waits for a page; transactions are refused if the last successful poll is older
   * than `maxStale` (undefined: never). Milliseconds.
   */
  setLimits(replica: number, readTimeout: number, maxStale: number | undefined): void
  /**
   * A number that no view of the replica has had, for views whose TXIDs or schema cookies may have
   * another meaning. Begins with 0.
   */
  nextIncarnation(replica: number): number
  /** Progress from 0 to 1, and the file's path. */
  setHydration(replica: number, progress: number, path: string): void
  /**
   * Creates a view like `base` (0: no base) in which the `changed` pages are absent. Returns its
   * id.
   */
  addView(replica: number, base: number, facts: ViewFacts, changed: Uint32Array): number
  publishView(replica: number, view: number): void
  /** The view is freed when no reader pins it. */
  retireView(replica: number, view: number): void
  /** Frees retired views that no reader pins; returns the ids of the remaining views. */
  collectViews(replica: number): Uint32Array
  /** The fields of a view, also of an earlier worker's; undefined if it was freed. */
  viewFacts(
    replica: number,
    view: number,
  ): { txid: number; timestamp: number; commit: number; pageSize: number } | undefined
  createCache(pageSize: number, slots: number): NativePageCache
  /**
   * Decodes frames into slots and adds them to the view (0: to none). `frames`: [offset in source,
   * size, pgno, slot, ahead] each; `ahead`: number of the kind of prefetch that requested the page,
   * plus `constants.joined` if a reader waits for it; 0: none. Returns the number of valid frames; if
   * less than all, the next one is damaged. For each valid frame, replaces the offset by its page's
   * b-tree type (2, 5: interior; 10, 13: leaf; 0: none).
   */
  fillSlots(replica: number, view: number, cache: NativePageCache, source: Uint8Array, frames: Uint32Array): number
  /** Adds a page that is in a slot to the view of a waiting reader, and answers its request. */
  answerPage(request: number, replica: number, view: number, pgno: number, cache: NativePageCache, slot: number): void
  /** Whether the slot was read since the last call. */
  touched(cache: NativePageCache, slot: number): boolean
  /** The next read of the slot sends a request of the kind `ahead` once. */
  setTrigger(cache: NativePageCache, slot: number): void
  /**
   * The entries of the index leaf in a slot, in key order: [rowid or NaN, fingerprint of the first
   * column] each.
   */
  indexEntries(cache: NativePageCache, slot: number, pgno: number): Float64Array
  /**
   * The integer columns of a row on the table leaf in a slot, NaN for other columns; empty if the
   * leaf does not have the row.
   */
  rowIntegers(cache: NativePageCache, slot: number, pgno: number, rowid: number): Float64Array
  /**
   * The child, of the table interior page in a slot, that leads to a rowid; 0 for any other page.
   */
  tableChild(cache: NativePageCache, slot: number, pgno: number, rowid: number): number
  /** The root pages in the schema table leaf in a slot; empty for any other page. */
  schemaRoots(cache: NativePageCache, slot: number, pgno: number, commit: number): Uint32Array
  /** The children of the interior page in a slot, in key order; empty for any other page. */
  btreeChildren(cache: NativePageCache, slot: number, pgno: number, commit: number): Uint32Array
  /**
   * Returns an errno if the file cannot be opened, is not a regular file, or is locked by another
   * replica. `fresh`: begin with an empty file, which is named `temporary` until it replaces the
   * old one.
   */
  openHydrated(
    replica: number,
    path: string,
    temporary: string,
    pageSize: number,
    fresh: boolean,
  ): NativeHydratedFile | number
  /** The handle must not be used any more; views that read from the file keep it open. */
  closeHydrated(file: NativeHydratedFile): void
  /** Number of views, including those of earlier workers, that may read from the file. */
  sharingViews(replica: number, file: NativeHydratedFile): number
  /** The largest commit of these views. */
  sharedPages(replica: number, file: NativeHydratedFile): number
  /**
   * False after another program has changed the file, and from then on; readers then no longer use
   * the file.
   */
  hydratedIntact(file: NativeHydratedFile): boolean
  /** Makes room for this many pages; 0 or an errno. */
  resizeHydrated(file: NativeHydratedFile, pages: number): number
  /**
   * Decodes frames ([offset, size, pgno, 1 to write its page] each) on another thread: [errno,
   * index of a damaged frame or -1, the CRC of all frames as a file checksum counts them, and the
   * number of bytes it covers].
   */
  writeHydrated(
    file: NativeHydratedFile,
    source: Uint8Array,
    frames: Uint32Array,
  ): Promise<[errno: number, damaged: number, crc: bigint, length: number]>
  syncHydrated(file: NativeHydratedFile): Promise<number>
  /** Removes pages of the hydration file from the view. */
  unmarkHydrated(replica: number, view: number, pgnos: Uint32Array): void
  /** Adds pages of the hydration file to the view. */
  markHydrated(replica: number, view: number, pgnos: Uint32Array): void
}
