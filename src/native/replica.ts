import type { ReadAheadStats } from './read-ahead.js'

/** Objects that live in native memory; JavaScript only hands them back. */
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

/** Durability of native/replica/bridge.h: what a connection wants its commit to wait for. */
export const DURABILITY_DEFAULT = 0
export const DURABILITY_STORE = 1
export const DURABILITY_LOCAL = 2

/** The pages that a connection commits. */
export interface TakenCommit {
  readonly pages: NativeCommitPages
  /** Bytes. */
  readonly pageSize: number
  /** Size of the database after the commit, in pages. */
  readonly commit: number
  readonly durability: number
  /** Ascending. */
  readonly pgnos: Uint32Array
}

/** The addon's part for commits: worker thread only. */
export interface ReplicaWriteNative {
  /** Whether connections may write; how long they wait for the right to write and for a commit, ms. */
  setWritable(replica: number, writable: boolean, timeout: number): void
  /** What the connection behind a REQUEST_COMMIT has written; undefined if it waits no more. */
  takeCommit(request: number): TakenCommit | undefined
  /** Copies `count` pages, from place `from` in the list on, into `out`. False if a page cannot be read. */
  readCommit(pages: NativeCommitPages, from: number, count: number, out: Uint8Array): boolean
  /** Answers a REQUEST_COMMIT: the connection stands on `view` from now on. */
  completeCommit(request: number, view: number): void
}

/** See `fillSlots`. */
export const AHEAD_JOINED = 0x80

/** What native/replica/bridge.h calls a request. */
export const REQUEST_OPEN = 0
export const REQUEST_PAGE = 1
export const REQUEST_TRAVEL = 2
export const REQUEST_CLOSE = 3
export const REQUEST_CALL = 4
/** A reader came to a page that was marked by `setTrigger`; nobody waits. */
export const REQUEST_AHEAD = 5
/** A connection wants the right to write. */
export const REQUEST_BEGIN = 6
export const REQUEST_COMMIT = 7
/** Every commit of this process must reach the store. */
export const REQUEST_FLUSH = 8

export interface BridgeRequest {
  readonly id: number
  readonly kind: number
  readonly replica: number
  /** The connection that asks; 0 for none. */
  readonly reader: number
  readonly view: number
  readonly pgno: number
  /** The last index leaf that the connection read; 0 for none. */
  readonly indexLeaf: number
  readonly text: string
}

/** ReplicaState of native/replica/replica.h. */
export const STATE_OPENING = 0
export const STATE_LIVE = 1
export const STATE_STALE = 2
export const STATE_ORPHANED = 3
export const STATE_CLOSED = 5

/** What can be told of a replica at any moment, from any thread, without asking the worker. */
export interface NativeReplicaInfo {
  readonly key: string
  readonly state: number
  /** `monotonicMs` when the last successful poll began; 0 = none yet. */
  readonly contact: number
  /** The last error, `CODE: message`; empty without one. */
  readonly error: string
  readonly hits: number
  readonly misses: number
  readonly readers: number
  /** Requests that crossed into the worker's JavaScript. */
  readonly crossings: number
  /** 0..1. */
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
  /** Ms since the epoch. */
  readonly timestamp: number
  /** Pages. */
  readonly commit: number
  /** SQLite's change counter for the view. */
  readonly counter: number
  /** Added to the schema cookie that SQLite sees. */
  readonly cookieShift: number
  readonly cache: NativePageCache
  readonly hydrated: NativeHydratedFile | null
}

/** The addon's part for handles: any thread. */
export interface ReplicaHandleNative {
  /** The id of the replica with this key, made if there is none; one reference more. */
  acquireReplica(key: string): number
  /** Whether that was the last reference: the worker then closes the replica. */
  releaseReplica(id: number): boolean
  replicaInfo(id: number): NativeReplicaInfo | undefined
  /** Native objects alive, for leak tests. */
  liveObjects(): { replicas: number; views: number; chunks: number; readers: number }
  /** Announces a worker that is about to start: its ticket, or 0 if there is, or will be, one. */
  expectWorker(): number
  /** The worker with this ticket will not come. */
  unexpectWorker(ticket: number): void
  /** How many workers have gone, or did not come. */
  workerEpoch(): number
  workerAlive(): boolean
  openReplicas(): number
  /** Queues a request nobody waits for; kept until the worker attaches. */
  tellWorker(kind: number, replica: number, text: string): void
}

/** The addon's part for the replica worker: its thread only. Numbers of pages and slots, pages in bytes. */
export interface ReplicaWorkerNative {
  /** Makes this thread the worker; `onRequests` is called when requests are queued. False if there is one already. */
  attachWorker(onRequests: () => void): boolean
  takeRequests(): BridgeRequest[]
  completeRequest(id: number): void
  failRequest(id: number, code: string, message: string): void
  /** Answers a page request from a slot, or from a page's bytes. */
  completePage(id: number, cache: NativePageCache, slot: number): void
  completePage(id: number, page: Uint8Array): void
  /** Sends the asking connection to a view of its own. */
  completeTravel(id: number, view: number): void
  allReplicas(): { id: number; key: string; orphaned: boolean }[]
  setState(replica: number, state: number, code: string, message: string): void
  /** When the last successful poll began, on the clock of `monotonicMs`. */
  setContact(replica: number, ms: number): void
  setReadTimeout(replica: number, ms: number): void
  /** Transactions are refused once the last contact is longer ago; ms. */
  setMaxStale(replica: number, ms: number): void
  /** A number that no view of the replica has had: for those whose TXIDs or schema cookies may mean something else. From 0 on. */
  nextIncarnation(replica: number): number
  /** Progress 0..1 and the file's path. */
  setHydration(replica: number, progress: number, path: string): void
  /** A view like `base` (0: like none) in which the `changed` pages are absent. Returns its id. */
  addView(replica: number, base: number, facts: ViewFacts, changed: Uint32Array): number
  publishView(replica: number, view: number): void
  /** The view goes as soon as nothing pins it. */
  retireView(replica: number, view: number): void
  /** Frees what nothing pins any more; returns the ids of the views that are left. */
  collectViews(replica: number): Uint32Array
  /** A view, also one that an earlier worker made; undefined if it is gone. */
  viewFacts(
    replica: number,
    view: number,
  ): { txid: number; timestamp: number; commit: number; pageSize: number } | undefined
  createCache(pageSize: number, slots: number): NativePageCache
  /**
   * Decodes frames into slots and enters them into the view (0: into none). `frames`: [offset in source, size, pgno, slot, ahead]
   * each; `ahead`: number of the kind of read-ahead that brings the page, plus AHEAD_JOINED where a reader waits for it; 0: none.
   * Returns how many were good; less than all means that the next is damaged. In the place of its offset a good frame then has
   * its page's b-tree type (2, 5: interior; 10, 13: leaf; 0: none).
   */
  fillSlots(replica: number, view: number, cache: NativePageCache, source: Uint8Array, frames: Uint32Array): number
  /** Enters pages that are in slots already, because readers want them: [pgno, slot] each. */
  linkPages(replica: number, view: number, cache: NativePageCache, pairs: Uint32Array): void
  /** Whether the slot was read since the last call. */
  touched(cache: NativePageCache, slot: number): boolean
  /** The next read of the slot sends REQUEST_AHEAD, once. */
  setTrigger(cache: NativePageCache, slot: number): void
  /** The entries of the index leaf in a slot, in key order: [rowid or NaN, fingerprint of the first column] each. */
  indexEntries(cache: NativePageCache, slot: number, pgno: number): Float64Array
  /** The integers among the columns of a row on the table leaf in a slot, NaN for the others; empty where the row is not there. */
  rowIntegers(cache: NativePageCache, slot: number, pgno: number, rowid: number): Float64Array
  /** The child that leads to a rowid of the table's interior page in a slot; 0 for any other page. */
  tableChild(cache: NativePageCache, slot: number, pgno: number, rowid: number): number
  /** The root pages that the leaf of the schema table in a slot names; empty for any other page. */
  schemaRoots(cache: NativePageCache, slot: number, pgno: number, commit: number): Uint32Array
  /** The children of the interior page in a slot, in key order; empty for any other page. */
  btreeChildren(cache: NativePageCache, slot: number, pgno: number, commit: number): Uint32Array
  /**
   * Returns an errno if the file cannot be opened, is no regular file, or is locked by another replica. `fresh`: begin with an empty
   * file, which has the name `temporary` until it replaces the old one.
   */
  openHydrated(
    replica: number,
    path: string,
    temporary: string,
    pageSize: number,
    fresh: boolean,
  ): NativeHydratedFile | number
  /** The handle must not be used any more; views that have the file keep it. */
  closeHydrated(file: NativeHydratedFile): void
  /** Views, also those that an earlier worker made, that may read from the file. */
  sharingViews(replica: number, file: NativeHydratedFile): number
  /** The largest commit of these views. */
  sharedPages(replica: number, file: NativeHydratedFile): number
  /** Whether no other program has changed the file; once false, always false, and no reader uses the file any more. */
  hydratedIntact(file: NativeHydratedFile): boolean
  /** Makes room for so many pages; 0 or an errno. */
  resizeHydrated(file: NativeHydratedFile, pages: number): number
  /**
   * Decodes frames ([offset, size, pgno, 1 to write its page] each), off this thread: [errno, index of a damaged frame or -1, the
   * CRC of all frames as a file checksum counts them, and of how many bytes].
   */
  writeHydrated(
    file: NativeHydratedFile,
    source: Uint8Array,
    frames: Uint32Array,
  ): Promise<[errno: number, damaged: number, crc: bigint, length: number]>
  syncHydrated(file: NativeHydratedFile): Promise<number>
  /** Takes pages of the hydrated file out of the view again. */
  unmarkHydrated(replica: number, view: number, pgnos: Uint32Array): void
  /** Enters pages that are in the hydrated file into the view. */
  markHydrated(replica: number, view: number, pgnos: Uint32Array): void
}
