import { isLitestreamError, type LitestreamError } from '../../errors.js'
import { fileIdentity } from '../../levels/file-identity.js'
import { isWrongIndex } from '../../ltx/corrupt.js'
import type { LtxFileInfo } from '../../storage/replica-client.js'
import type { Chain, ChainState } from './chain/chain.js'
import { movedMap } from './chain/moved-map.js'
import type { Poller } from './chain/poller.js'
import { replicaWasReset, staleState, unavailable } from './chain/stale-view.js'
import type { ReplicaView, ViewSet } from './pages/view-set.js'

/** Maximum number of attempts to find other files if the replica changes during each attempt. */
const REPLICA_ATTEMPTS = 3

/**
 * If a file of a view was deleted or damaged, finds the pages of the view in other files. LostFiles
 * runs on the worker thread.
 */
export class LostFiles {
  readonly #chain: Chain
  readonly #views: ViewSet
  readonly #poller: Poller
  readonly #searches = new Map<string, Promise<void>>()

  constructor(chain: Chain, views: ViewSet, poller: Poller) {
    this.#chain = chain
    this.#views = views
    this.#poller = poller
  }

  /**
   * Points a view at other files. Concurrent requests that do not find a file share one search. The
   * search finds other files for all missing files.
   */
  async replace(view: ReplicaView, cause: LitestreamError, lost: LtxFileInfo | undefined): Promise<void> {
    const damaged = isLitestreamError(cause, 'NOT_FOUND') ? undefined : lost
    const key = `${view.id}/${damaged ? fileIdentity(damaged) : ''}`
    const running = this.#searches.get(key)
    if (running !== undefined) {
      await running
      // The lost file was deleted after the shared search had listed it.
      if (lost && !damaged && this.#pointsInto(view, lost)) await this.replace(view, cause, lost)
      return
    }
    const search = this.#search(view, cause, lost).finally(() => this.#searches.delete(key))
    this.#searches.set(key, search)
    await search
  }

  /**
   * Must be called after the replica was rebuilt, because running searches concern the replica's
   * previous state.
   */
  clear(): void {
    this.#searches.clear()
  }

  /**
   * Points a view at the files of `state`. Views are derived from one another. The newest view, and
   * therefore all later views, use the files that were found for this view.
   */
  async #repoint(view: ReplicaView, state: ChainState): Promise<void> {
    const before = view.state.map
    this.#views.repoint(view, state)
    for (;;) {
      const { current } = this.#views
      if (current === view || current.store !== view.store) return
      const known = current.state
      const map = await movedMap(known.map, before, state.map)
      // A poll or another search may have changed the newest view during the computation of the
      // map.
      if (this.#views.current !== current || current.state !== known) continue
      this.#views.repoint(current, { ...known, map })
      return
    }
  }

  #pointsInto(view: ReplicaView, file: LtxFileInfo): boolean {
    const used = new Set<number>()
    view.state.map.collectFiles(used)
    return used.has(this.#chain.files.ordinal(file))
  }

  async #search(view: ReplicaView, cause: LitestreamError, lost: LtxFileInfo | undefined): Promise<void> {
    if (lost && isWrongIndex(cause)) {
      this.#chain.distrust(lost)
      this.#poller.requireReload(cause)
      await this.#poller.pollNow()
      throw view.incarnation === this.#views.incarnation ? cause : unavailable(view.state.txid, cause)
    }
    for (let attempt = 1; ; attempt++) {
      // A poll finds out whether the replica of the view was reset.
      await this.#poller.pollNow()
      if (view.incarnation !== this.#views.incarnation) {
        throw this.#views.wasReset(view) ? replicaWasReset(view.state.txid, cause) : unavailable(view.state.txid, cause)
      }
      const files = await this.#chain.listAll()
      const { anchor, timestamp } = this.#views.current.state
      const known = files[anchor.level].some((file) => fileIdentity(file) === fileIdentity(anchor))
      if (!known && attempt < REPLICA_ATTEMPTS) continue
      if (!known) throw cause
      try {
        const state = await staleState(this.#chain, view.state, files, lost)
        // The replica may have been reset while its levels were listed. A reset deletes all files
        // first, including the newest known file of the replica.
        if (!(await this.#chain.stands(anchor, timestamp))) {
          if (attempt < REPLICA_ATTEMPTS) continue
          throw cause
        }
        await this.#repoint(view, state)
        return
      } catch (error) {
        // If no other file can replace a damaged file, the caller gets the error about the damage.
        if (isLitestreamError(error, 'PAGE_UNAVAILABLE') && isLitestreamError(cause, 'LTX_CORRUPT')) throw cause
        // NOT_FOUND means that a file was deleted after it had been listed and before it was read.
        if (!isLitestreamError(error, 'NOT_FOUND') || attempt >= REPLICA_ATTEMPTS) throw error
      }
    }
  }
}
