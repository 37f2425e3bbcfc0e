import type { FileReader } from '../../../levels/remote-index.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'
import type { Chain, ChainState, Extension, LoadedState } from '../chain/chain.js'
import type { ReplicaView, ViewSet } from '../pages/view-set.js'
import { type CommittedFile, memoryReader } from './committed-file.js'
import type { LocalFiles } from './local-files.js'

export interface AdoptionParts {
  readonly chain: Chain
  readonly views: ViewSet
  /** The store, and the commits that it does not have. */
  readonly files: LocalFiles
  /** Makes the first state of a replica the current one. */
  readonly begin: (loaded: LoadedState) => void
  /** Makes a state that follows on the current one the current one. `counter`: its change counter is unlike that of its TXID. */
  readonly advance: (extension: Extension, options: { readonly counter: boolean }) => void
}

/** A commit that the store does not have yet. */
export interface LocalCommit {
  readonly info: LtxFileInfo
  /** The LTX file, as if it were the next one of the replica. */
  readonly bytes: Uint8Array
}

/**
 * Commits of this process become views, without a request for what is in memory. While some are only local, the current view is ahead
 * of the state that the store has. One call at a time. Worker thread.
 */
export class CommitAdoption {
  readonly #parts: AdoptionParts
  #base: ChainState | undefined

  constructor(parts: AdoptionParts) {
    this.#parts = parts
  }

  /** The newest state that the store has. */
  get stored(): ChainState {
    return this.#base ?? this.#parts.views.current.state
  }

  get hasLocal(): boolean {
    return this.#base !== undefined
  }

  /** Compaction moved the pages of the stored state to other files. */
  moved(state: ChainState): void {
    this.#base = state
  }

  /** The store has the next file, which this process wrote. There are no local commits. */
  async inStore(file: CommittedFile): Promise<ReplicaView> {
    const { chain, views, begin, advance } = this.#parts
    const before = views.current
    const reader = this.#reader(file)
    if (before.state.txid === 0) {
      begin(await chain.first(file.info, reader))
    } else {
      const extension = await chain.append(before.state, file.info, reader, file.bytes?.length)
      // A poll may have seen the file in the store before this.
      if (views.current === before) advance(extension, { counter: false })
    }
    return views.current
  }

  /** `ahead`: files that will be in the store before the one that this commit becomes a part of. */
  async local(bytes: Uint8Array, timestamp: number, ahead: number): Promise<LocalCommit> {
    const { chain, views, files, advance } = this.#parts
    const base = this.stored
    const info = files.add(base.txid, timestamp, bytes)
    const from = { ...views.current.state, txid: base.txid, newest: base.newest }
    const extension = await chain.append(from, info, files, bytes.length)
    this.#base = base
    advance({ ...extension, state: { ...extension.state, txid: base.txid + 1 + ahead } }, { counter: true })
    return { info, bytes }
  }

  /** The store has a file that holds all local commits but `rest`. The current view keeps its content, from other files. */
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

  /** Local files are held for the commits that the store lacks, and for views that still read from others. */
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
