import { LitestreamError } from '../../../errors.js'
import { native } from '../../../native/addon.js'
import type { NativeHydratedFile } from '../../../native/replica.js'
import type { ChainState } from '../chain/chain.js'
import { type PageStore, pageKey } from './page-store.js'

/**
 * A view in the replica worker. The view has the ID of the native view and the positions of the
 * view's pages.
 */
export interface ReplicaView {
  readonly id: number
  state: ChainState
  readonly store: PageStore
  /**
   * The incarnation counter of the replica. The incarnation counter grows with every reset. In
   * another incarnation of the replica, the same TXID may have other contents.
   */
  readonly incarnation: number
}

/**
 * The views of one replica that native code still has. Native code pins and frees the views.
 * ViewSet keeps the page map of each view as long as a reader can miss a page of that view.
 */
export class ViewSet {
  readonly #replica: number
  readonly #views = new Map<number, ReplicaView>()
  #current: ReplicaView | undefined
  #incarnation: number
  /** The latest incarnation that began with a reset. */
  #reset = 0
  /** A number that distinguishes the schema cookies of views with different schemas. */
  #schema: number

  constructor(replica: number) {
    this.#replica = replica
    // Readers may still have views of an earlier worker, and SQLite may have cached pages of these
    // views.
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

  /**
   * Returns the view of a state. Returns undefined if no view of that state exists. `at` also
   * compares the timestamp, because the replica may have been reset and no poll may have detected
   * the reset yet.
   */
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
   * Begins a new incarnation, because the files may belong to another replica. TXIDs of another
   * replica may have other contents. SQLite must not confuse these contents with cached pages.
   * `reset` is true if the replica was certainly reset.
   */
  reincarnate(reset: boolean): void {
    this.#incarnation = native.nextIncarnation(this.#replica)
    this.#schema = this.#incarnation
    if (reset) this.#reset = this.#incarnation
  }

  /**
   * Whether a view lost its files because the replica was reset, and not because retention deleted
   * the files.
   */
  wasReset({ incarnation }: ReplicaView): boolean {
    return incarnation < this.#reset
  }

  /**
   * Makes the schema cookies of later views differ from the schema cookies of earlier views. The
   * new files of the replica may belong to another database that continues the TXIDs. An equal
   * schema cookie therefore does not prove an equal schema.
   */
  distrustSchema(): void {
    this.#schema = native.nextIncarnation(this.#replica)
  }

  /**
   * Creates a view. The view continues `base` if `base` is given. Connections do not see the view
   * until it is published. `ownCounter` is true if other states have the same TXID, so that the
   * change counter must not be derived from the TXID.
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
   * Creates a view for a connection that travels in time. The files of the view may belong to
   * another incarnation of the replica, and another schema may have the same schema cookie. SQLite
   * must therefore not use its cached pages and its cached schema for a view that travels in time.
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
      // The change counter is the TXID plus a constant of the incarnation. A reset replica
      // therefore uses other change counters.
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
   * Replaces the files of a view by other files with the same pages. Resident pages stay resident.
   * A page that no file has any more keeps the key of its previous file, because the ordinal 0
   * would be ambiguous between views.
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

  /** Publishes a view, so that every transaction that begins later sees this view. */
  publish(view: ReplicaView): void {
    native.publishView(this.#replica, view.id)
    this.#current = view
  }

  retire(view: ReplicaView): void {
    native.retireView(this.#replica, view.id)
  }

  /**
   * Adopts a view of an earlier worker. Native code still has that view. The page table of that
   * view refers only to pages of that view.
   */
  adopt(id: number, state: ChainState, store: PageStore): ReplicaView {
    const view = { id: 0, state, store, incarnation: this.#incarnation }
    this.#views.set(id, view)
    return view
  }

  /** Removes the views that native code has freed. Returns whether retired views remain. */
  collect(): boolean {
    const left = new Set(native.collectViews(this.#replica))
    for (const id of this.#views.keys()) if (!left.has(id)) this.#views.delete(id)
    return left.size > 1
  }

  get size(): number {
    return this.#views.size
  }
}
