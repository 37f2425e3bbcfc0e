import { isLitestreamError, LitestreamError } from '../errors.js'
import { formatTxid } from '../ltx/txid.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import type { Chain } from './chain/chain.js'
import { fileIdentity } from './chain/file-table.js'
import type { Poller } from './chain/poller.js'
import { staleState } from './chain/stale-view.js'
import type { ReplicaView, ViewSet } from './pages/view-set.js'

/** How often the files of a view are looked for while the store changes under the search. */
const REPLICA_ATTEMPTS = 3

/** Files under a view that are gone or damaged: the same pages are looked for in others. Worker thread. */
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

  /** Points a view at other files. Many requests may find out at once that one is lost: they share a search. */
  replace(view: ReplicaView, cause: LitestreamError, lost: LtxFileInfo | undefined): Promise<void> {
    const key = `${view.id}/${lost ? fileIdentity(lost) : ''}`
    let search = this.#searches.get(key)
    if (!search) {
      search = this.#search(view, cause, lost).finally(() => this.#searches.delete(key))
      this.#searches.set(key, search)
    }
    return search
  }

  /** The replica was rebuilt: what is being searched for belongs to the one before. */
  clear(): void {
    this.#searches.clear()
  }

  async #search(view: ReplicaView, cause: LitestreamError, lost: LtxFileInfo | undefined): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      // A poll finds out whether this is still the replica that the view is of.
      await this.#poller.pollNow()
      if (view.incarnation !== this.#views.incarnation) throw begunAnew(view.state.txid, cause)
      const files = await this.#chain.listAll()
      const { anchor, timestamp } = this.#views.current.state
      const known = files[anchor.level].some((file) => fileIdentity(file) === fileIdentity(anchor))
      if (!known && attempt < REPLICA_ATTEMPTS) continue
      if (!known) throw cause
      try {
        const state = await staleState(this.#chain, view.state, files, lost)
        // The levels were not listed in one instant. Begun anew meanwhile, the replica was emptied first: then the anchor is gone, too.
        if (!(await this.#chain.stands(anchor, timestamp))) {
          if (attempt < REPLICA_ATTEMPTS) continue
          throw cause
        }
        this.#views.repoint(view, state)
        return
      } catch (error) {
        // Where nothing takes a damaged file's place, the damage is what a person must hear of.
        if (isLitestreamError(error, 'PAGE_UNAVAILABLE') && isLitestreamError(cause, 'LTX_CORRUPT')) throw cause
        // A file vanished between the listing and the reading.
        if (!isLitestreamError(error, 'NOT_FOUND') || attempt >= REPLICA_ATTEMPTS) throw error
      }
    }
  }
}

/** What a transaction is told whose replica is gone. */
export function begunAnew(txid: number, cause?: LitestreamError): LitestreamError {
  return new LitestreamError(
    'REPLICA_RESET',
    `TXID ${formatTxid(txid)} of the replica is no longer what this transaction reads: it was begun anew`,
    { cause, hint: 'End the transaction: the next one sees the new replica.' },
  )
}
