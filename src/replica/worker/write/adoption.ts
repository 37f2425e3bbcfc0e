import type { FileReader } from '../../../levels/remote-index.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'
import type { Chain, ChainState, Extension, LoadedState } from '../chain/chain.js'
import type { ReplicaView, ViewSet } from '../pages/view-set.js'
import { type CommittedFile, memoryReader } from './committed-file.js'
import type { LocalFiles } from './local-files.js'

export interface AdoptionParts {
  readonly chain: Chain
  readonly views: ViewSet
  /** Reads files from the store. Also reads the files of commits that the store lacks. */
  readonly files: LocalFiles
  /** Makes the first state of a replica the current state. */
  readonly begin: (loaded: LoadedState) => void
  /**
   * Makes the next state the current state. `counter` is true if the change counter of the new view
   * must not be derived from its TXID.
   */
  readonly advance: (extension: Extension, options: { readonly counter: boolean }) => void
}

/** A commit that is not in the store yet. */
export interface LocalCommit {
  readonly info: LtxFileInfo
  /** The LTX file of the commit. The file has the TXID of the next file of the replica. */
  readonly bytes: Uint8Array
}

/**
 * Makes views from commits of this process. Pages of a local commit are in memory and cost no
 * request. While some commits are only local, the current view is newer than the state of the
 * store. Only one call of a CommitAdoption may run at a time. CommitAdoption runs on the worker
 * thread.
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

  /** Whether the current view contains, or is about to contain, commits that the store lacks. */
  get hasLocal(): boolean {
    return this.#base !== undefined || this.#isHeld
  }

  /**
   * Keeps the current view until the caller calls the returned function. While the current view is
   * kept, only local commits change this view.
   */
  hold(): () => void {
    this.#isHeld = true
    return () => {
      this.#isHeld = false
    }
  }

  /** Must be called after compaction has moved the pages of the stored state to other files. */
  moved(state: ChainState): void {
    const { views } = this.#parts
    if (this.#base === undefined) views.repoint(views.current, state)
    else this.#base = state
  }

  /**
   * Makes the file that this process wrote to the store the newest state. `inStore` must be called
   * only if the process has no local commits.
   */
  async inStore(file: CommittedFile): Promise<ReplicaView> {
    const { chain, views, begin, advance } = this.#parts
    const before = views.current
    const reader = this.#reader(file)
    if (before.state.txid === 0) {
      begin(await chain.first(file.info, reader))
    } else {
      const extension = await chain.append(before.state, file.info, reader, file.bytes?.length)
      // A poll may already have found the new file in the store.
      if (views.current === before) advance(extension, { counter: false })
    }
    return views.current
  }

  /**
   * Adds a local commit to the current view. `ahead` is the number of files that the store will
   * have before the file that contains this commit.
   */
  async local(bytes: Uint8Array, timestamp: number, ahead: number): Promise<LocalCommit> {
    const { chain, views, files, advance } = this.#parts
    const base = this.stored
    const info = files.add(base.txid, timestamp, bytes)
    const from = { ...views.current.state, txid: base.txid, newest: base.newest }
    const extension = await chain.append(from, info, files, bytes.length)
    this.#base = base
    // The TXID of the view never decreases. If the store refuses the upload of earlier local
    // commits, the earlier commits still precede this commit.
    const txid = Math.max(views.current.state.txid, base.txid + 1 + ahead)
    advance({ ...extension, state: { ...extension.state, txid } }, { counter: true })
    return { info, bytes }
  }

  /**
   * Must be called when the store has a file with all local commits except `rest`. The current view
   * keeps its content, but reads its pages from other files.
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
   * Keeps the local files of commits that the store lacks, and the local files that a view still
   * reads from. All other local files are removed.
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
