import { LitestreamError } from '../../../errors.js'
import { native } from '../../../native/addon.js'
import type { NativeHydratedFile } from '../../../native/replica.js'
import type { ChainState } from '../chain/chain.js'
import { type PageStore, pageKey } from './page-store.js'

/** A view in the worker: the id of the native view, and the positions of its pages. */
export interface ReplicaView {
  readonly id: number
  state: ChainState
  readonly store: PageStore
  /** The replica's incarnation: in another one the same TXID may have other contents. */
  readonly incarnation: number
}

/**
 * The views of one replica that native code still has. Native code pins and frees them; this class
 * keeps the page map of each view as long as a reader may miss in it.
 */
export class ViewSet {
  readonly #replica: number
  readonly #views = new Map<number, ReplicaView>()
  #current: ReplicaView | undefined
  #incarnation: number
  /** The incarnation that began with a reset. */
  #reset = 0
  /** Distinguishes the schema cookies of views in this incarnation. */
  #schema: number

  constructor(replica: number) {
    this.#replica = replica
    // Readers may still have views of an earlier worker, and SQLite may have cached their pages.
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
   * The view of this state, if one exists, including the newest. Compares the time too, because no
   * poll may have detected a reset yet.
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
   * Begins a new incarnation: the replica may be another one, so its TXIDs may have other contents,
   * which SQLite must not confuse with cached pages. `reset`: it was certainly reset.
   */
  reincarnate(reset: boolean): void {
    this.#incarnation = native.nextIncarnation(this.#replica)
    this.#schema = this.#incarnation
    if (reset) this.#reset = this.#incarnation
  }

  /**
   * Whether a view of an earlier incarnation lost its files because of a reset, not because of
   * retention.
   */
  wasReset({ incarnation }: ReplicaView): boolean {
    return incarnation < this.#reset
  }

  /**
   * The database may be another one that continues the TXIDs: an equal schema cookie does not prove
   * an equal schema.
   */
  distrustSchema(): void {
    this.#schema = native.nextIncarnation(this.#replica)
  }

  /**
   * Creates a view that continues `base`, or one without a base. It is not visible yet.
   * `ownCounter`: other states have the same TXID, so the change counter must not be derived from
   * it.
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
   * Creates a view that a connection travels to. The listed files may belong to another
   * incarnation, and another schema may have the same cookie, so SQLite must not use anything that
   * it has cached.
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
      // The change counter is the TXID, offset by a constant of the incarnation, so that a reset
      // replica uses another part of the number space.
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
   * Replaces the files of a view by others with the same pages: resident pages stay resident. A
   * page that no file has any more keeps the key of its previous file, because "no file" would be
   * ambiguous between views.
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

  /** Every transaction that begins from now on sees the view. */
  publish(view: ReplicaView): void {
    native.publishView(this.#replica, view.id)
    this.#current = view
  }

  retire(view: ReplicaView): void {
    native.retireView(this.#replica, view.id)
  }

  /**
   * Adopts a view of an earlier worker: native code still has it, and its page table contains only
   * its own pages.
   */
  adopt(id: number, state: ChainState, store: PageStore): ReplicaView {
    const view = { id: 0, state, store, incarnation: this.#incarnation }
    this.#views.set(id, view)
    return view
  }

  /** Forgets the views that native code has freed; returns whether retired views remain. */
  collect(): boolean {
    const left = new Set(native.collectViews(this.#replica))
    for (const id of this.#views.keys()) if (!left.has(id)) this.#views.delete(id)
    return left.size > 1
  }

  get size(): number {
    return this.#views.size
  }
}
