import { LitestreamError } from '../../../errors.js'
import { native } from '../../../native/addon.js'
import type { NativeHydratedFile } from '../../../native/replica.js'
import type { ChainState } from '../chain/chain.js'
import { type PageStore, pageKey } from './page-store.js'

/** One view as the worker knows it: the native view's id, and where its pages are. */
export interface ReplicaView {
  readonly id: number
  state: ChainState
  readonly store: PageStore
  /** Which of the replica's lives it is of: in another one the same TXID may mean other contents. */
  readonly incarnation: number
}

/**
 * The views of one replica that native code still has. Native code pins and frees them; this side keeps the page map of each for
 * as long as a reader may still miss in it.
 */
export class ViewSet {
  readonly #replica: number
  readonly #views = new Map<number, ReplicaView>()
  #current: ReplicaView | undefined
  #incarnation: number
  /** The life that began with a reset. */
  #reset = 0
  /** What the schema cookies of this life's views are told apart by. */
  #schema: number

  constructor(replica: number) {
    this.#replica = replica
    // Readers may still have views of a worker before this one, and SQLite pages of them.
    this.#incarnation = native.nextIncarnation(replica)
    this.#schema = this.#incarnation
  }

  get incarnation(): number {
    return this.#incarnation
  }

  get current(): ReplicaView {
    if (!this.#current) throw new LitestreamError('INTERNAL', 'the replica has no view yet')
    return this.#current
  }

  get opened(): boolean {
    return this.#current !== undefined
  }

  get(id: number): ReplicaView | undefined {
    return this.#views.get(id)
  }

  /** A view of this state, the newest one included. Its time is compared, too: no poll may have seen yet that the replica was begun anew. */
  at({ txid, timestamp }: Pick<ChainState, 'txid' | 'timestamp'>): ReplicaView | undefined {
    for (const view of this.#views.values()) {
      const { state } = view
      const same = state.txid === txid && state.timestamp === timestamp
      if (view.id !== 0 && same && view.incarnation === this.#incarnation) return view
    }
    return undefined
  }

  all(): Iterable<ReplicaView> {
    return this.#views.values()
  }

  /**
   * Nothing shows that the replica is still the one before: its TXIDs may mean other contents, which SQLite must not take for those it
   * has cached. `reset`: it was begun anew, for certain.
   */
  reincarnate(reset: boolean): void {
    this.#incarnation = native.nextIncarnation(this.#replica)
    this.#schema = this.#incarnation
    if (reset) this.#reset = this.#incarnation
  }

  /** Why a view of a life before this one has no files any more: the replica was begun anew, or retention took them all. */
  wasReset({ incarnation }: ReplicaView): boolean {
    return incarnation < this.#reset
  }

  /** The database may be another one that continues the TXIDs: an equal schema cookie does not say that the schema is the same. */
  distrustSchema(): void {
    this.#schema = native.nextIncarnation(this.#replica)
  }

  /**
   * A view that continues `base`, or stands alone. Not yet visible. `ownCounter`: other states have the same TXID, so that its change
   * counter must not follow from that.
   */
  add(
    state: ChainState,
    store: PageStore,
    hydrated: NativeHydratedFile | null,
    base?: ReplicaView,
    changed: Uint32Array = new Uint32Array(),
    ownCounter = false,
  ): ReplicaView {
    const counting = ownCounter ? native.nextIncarnation(this.#replica) : this.#incarnation
    return this.#add(state, store, hydrated, base, changed, counting, this.#schema)
  }

  /**
   * A view that a connection travels to. Nothing says that the files which are listed now are still those of this life, nor that a
   * schema had another cookie whenever it was another, so SQLite takes nothing of it for known.
   */
  addTravelled(state: ChainState, store: PageStore): ReplicaView {
    const own = native.nextIncarnation(this.#replica)
    return this.#add(state, store, null, undefined, new Uint32Array(), own, own)
  }

  #add(
    state: ChainState,
    store: PageStore,
    hydrated: NativeHydratedFile | null,
    base: ReplicaView | undefined,
    changed: Uint32Array,
    counting: number,
    schema: number,
  ): ReplicaView {
    const facts = {
      txid: state.txid,
      timestamp: state.timestamp,
      commit: state.commit,
      // TXIDs are the change counter; a replica begun anew counts in another part of the number space.
      counter: (state.txid + Math.imul(counting, 0x3243f6a9)) >>> 0,
      cookieShift: Math.imul(schema, 0x9e3779b1) >>> 0,
      cache: store.cache,
      hydrated,
    }
    const id = native.addView(this.#replica, base?.id ?? 0, facts, changed)
    const view = { id, state, store, incarnation: this.#incarnation }
    this.#views.set(id, view)
    return view
  }

  /**
   * The same TXID from other files: pages that are resident stay so. A page that no file has any more keeps the key of the file it came
   * from: "no file" has it in other views, too, in other versions.
   */
  repoint(view: ReplicaView, state: ChainState): void {
    const before = view.state.map
    view.store.rekey((file, pgno) => {
      if (before.fileOf(pgno) !== file) return undefined
      const other = state.map.fileOf(pgno)
      return other === 0 ? undefined : pageKey(other, pgno)
    })
    view.state = state
  }

  /** Every transaction that begins from now on sees it. */
  publish(view: ReplicaView): void {
    native.publishView(this.#replica, view.id)
    this.#current = view
  }

  retire(view: ReplicaView): void {
    native.retireView(this.#replica, view.id)
  }

  /** A view that a worker before this one made: native code has it, and nothing but its own pages is in its page table. */
  adopt(id: number, state: ChainState, store: PageStore): ReplicaView {
    const view = { id: 0, state, store, incarnation: this.#incarnation }
    this.#views.set(id, view)
    return view
  }

  /** Forgets the views that native code has freed; tells whether some are left that wait to be. */
  collect(): boolean {
    const left = new Set(native.collectViews(this.#replica))
    for (const id of this.#views.keys()) if (!left.has(id)) this.#views.delete(id)
    return left.size > 1
  }

  get size(): number {
    return this.#views.size
  }
}
