import type { FileReader } from '../../../levels/remote-index.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'
import type { Chain, ChainState, Extension, LoadedState } from '../chain/chain.js'
import type { ReplicaView, ViewSet } from '../pages/view-set.js'
import { type CommittedFile, memoryReader } from './committed-file.js'
import type { LocalFiles } from './local-files.js'

export interface AdoptionParts {
  readonly chain: Chain
  readonly views: ViewSet
  /** The store, and the commits that it lacks. */
  readonly files: LocalFiles
  /** Makes the first state of a replica the current one. */
  readonly begin: (loaded: LoadedState) => void
  /**
   * Makes the next state current. `counter`: the change counter of the new view is not derived from
   * its TXID.
   */
  readonly advance: (extension: Extension, options: { readonly counter: boolean }) => void
}

/** A commit that is not in the store yet. */
export interface LocalCommit {
  readonly info: LtxFileInfo
  /** The LTX file, named as if it were the next one of the replica. */
  readonly bytes: Uint8Array
}

/**
 * Makes views from commits of this process, without requests for pages in memory. While some
 * commits are only local, the current view is ahead of the store's state. One call at a time.
 * Worker thread.
 */
export class CommitAdoption {
  readonly #parts: AdoptionParts
  #base: ChainState | undefined
  #isHeld = false

  constructor(parts: AdoptionParts) {
    this.#parts = parts
  }

  /** The newest state in the store. */
  get stored(): ChainState {
    return this.#base ?? this.#parts.views.current.state
  }

  /** Whether the current view has, or is about to have, commits that the store lacks. */
  get hasLocal(): boolean {
    return this.#base !== undefined || this.#isHeld
  }

  /** Keeps the current view until the returned function is called, except for local commits. */
  hold(): () => void {
    this.#isHeld = true
    return () => {
      this.#isHeld = false
    }
  }

  /** Compaction moved the pages of the stored state to other files. */
  moved(state: ChainState): void {
    const { views } = this.#parts
    if (this.#base === undefined) views.repoint(views.current, state)
    else this.#base = state
  }

  /** The store has the next file, which this process wrote. No local commits exist. */
  async inStore(file: CommittedFile): Promise<ReplicaView> {
    const { chain, views, begin, advance } = this.#parts
    const before = views.current
    const reader = this.#reader(file)
    if (before.state.txid === 0) {
      begin(await chain.first(file.info, reader))
    } else {
      const extension = await chain.append(before.state, file.info, reader, file.bytes?.length)
      // A poll may already have seen the file in the store.
      if (views.current === before) advance(extension, { counter: false })
    }
    return views.current
  }

  /**
   * `ahead`: number of files that will be in the store before the one that contains this commit.
   */
  async local(bytes: Uint8Array, timestamp: number, ahead: number): Promise<LocalCommit> {
    const { chain, views, files, advance } = this.#parts
    const base = this.stored
    const info = files.add(base.txid, timestamp, bytes)
    const from = { ...views.current.state, txid: base.txid, newest: base.newest }
    const extension = await chain.append(from, info, files, bytes.length)
    this.#base = base
    // The number never shrinks: a refused upload leaves the commits that were ahead of it.
    const txid = Math.max(views.current.state.txid, base.txid + 1 + ahead)
    advance({ ...extension, state: { ...extension.state, txid } }, { counter: true })
    return { info, bytes }
  }

  /**
   * The store has a file with all local commits except `rest`. The current view keeps its content,
   * from other files.
   */
  async uploaded(file: CommittedFile, rest: readonly LocalCommit[]): Promise<void> {
    const { chain, views, files } = this.#parts
    const base = this.stored
    const { state: stored } = await chain.append(base, file.info, this.#reader(file), file.bytes?.length)
    let state = stored
    for (const { info, bytes } of rest) {
      const from = { ...state, txid: base.txid, newest: base.newest }
      state = (await chain.append(from, info, files, bytes.length)).state
    }
    state = { ...state, txid: stored.txid + (rest.length > 0 ? 1 : 0) }
    views.repoint(views.current, state)
    this.#base = rest.length > 0 ? stored : undefined
    this.#retain(rest)
  }

  /**
   * Local files are kept for the commits that the store lacks, and for views that still read from
   * them.
   */
  #retain(rest: readonly LocalCommit[]): void {
    const { chain, views, files } = this.#parts
    const used = new Set<number>()
    for (const { state } of views.all()) state.map.collectFiles(used)
    const waiting = new Set(rest.map(({ info }) => info.version))
    files.retain((info) => waiting.has(info.version) || used.has(chain.files.ordinal(info)))
  }

  #reader({ bytes }: CommittedFile): FileReader {
    return bytes ? memoryReader(this.#parts.files.url, bytes) : this.#parts.files
  }
}
