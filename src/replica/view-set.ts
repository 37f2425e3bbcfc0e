import { native } from '../native.js'
import type { ChainState } from './chain.js'
import type { NativeHydratedFile } from './native-replica.js'
import type { PageStore } from './page-store.js'

/** One view as the worker knows it: the native view's id, and where its pages are. */
export interface ReplicaView {
  readonly id: number
  state: ChainState
  readonly store: PageStore
  /** Whether its pages may be in the hydrated file. */
  readonly hydrates: boolean
}

/**
 * The views of one replica that native code still has. Native code pins and frees them; this side keeps the page map of each for
 * as long as a reader may still miss in it.
 */
export class ViewSet {
  readonly #replica: number
  readonly #views = new Map<number, ReplicaView>()
  #current: ReplicaView | undefined
  #incarnation = 0

  constructor(replica: number) {
    this.#replica = replica
  }

  get current(): ReplicaView {
    if (!this.#current) throw new Error('the replica has no view yet')
    return this.#current
  }

  get opened(): boolean {
    return this.#current !== undefined
  }

  get(id: number): ReplicaView | undefined {
    return this.#views.get(id)
  }

  all(): Iterable<ReplicaView> {
    return this.#views.values()
  }

  /** The replica begins anew: its TXIDs may mean other contents, which SQLite must not take for those it has cached. */
  reincarnate(): void {
    this.#incarnation++
  }

  /** A view that continues `base`, or stands alone. Not yet visible. */
  add(
    state: ChainState,
    store: PageStore,
    hydrated: NativeHydratedFile | null,
    base?: ReplicaView,
    changed: Uint32Array = new Uint32Array(),
  ): ReplicaView {
    const facts = {
      txid: state.txid,
      timestamp: state.timestamp,
      commit: state.commit,
      // TXIDs are the change counter; a replica begun anew counts in another part of the number space.
      counter: (state.txid + this.#incarnation * 0x3243f6a9) >>> 0,
      cache: store.cache,
      hydrated,
    }
    const id = native.addView(this.#replica, base?.id ?? 0, facts, changed)
    const view = { id, state, store, hydrates: hydrated !== null }
    this.#views.set(id, view)
    return view
  }

  /** Every transaction that begins from now on sees it. */
  publish(view: ReplicaView): void {
    native.publishView(this.#replica, view.id)
    this.#current = view
  }

  retire(view: ReplicaView): void {
    native.retireView(this.#replica, view.id)
  }

  /** Forgets the views that native code has freed. */
  collect(): void {
    const left = new Set(native.collectViews(this.#replica))
    for (const id of this.#views.keys()) if (!left.has(id)) this.#views.delete(id)
  }

  /** Views that may read from the hydrated file. */
  get sharing(): number {
    let count = 0
    for (const view of this.#views.values()) if (view.hydrates) count++
    return count
  }

  get size(): number {
    return this.#views.size
  }
}
