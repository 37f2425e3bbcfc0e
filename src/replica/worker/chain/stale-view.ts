import { LitestreamError } from '../../../errors.js'
import { type FilesByLevel, selectPlan } from '../../../levels/plan.js'
import { formatTxid } from '../../../ltx/txid.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'
import type { Chain, ChainState } from './chain.js'
import { fileIdentity } from './file-ordinals.js'
import { type FramePlace, PageMap } from './page-map.js'

const NOWHERE: FramePlace = { file: 0, offset: 0, size: 0 }

/**
 * A state that is no longer the newest, from the files that are listed now, without the file `lost` (gone or damaged). Where no set
 * of files ends at its TXID any more, every page that is still certain is kept: one whose own file is there, and one that did not
 * change in the only file that reaches across the TXID. The map has no place for the others. Throws PAGE_UNAVAILABLE where none is
 * left.
 */
export async function staleState(
  chain: Chain,
  state: ChainState,
  listed: FilesByLevel,
  lost?: LtxFileInfo,
): Promise<ChainState> {
  const files = listed.map((level) => level.filter((file) => !lost || fileIdentity(file) !== fileIdentity(lost)))
  const exact = await exactState(chain, state, files)
  if (exact) return exact
  const before = await placesBefore(chain, state, files)
  const isThere = presence(chain, files)
  let certain = 0
  const map = PageMap.build(state.commit, (pgno) => {
    const own = state.map.find(pgno)
    const place = own.file !== 0 && isThere(own.file) ? own : before(pgno)
    if (place.file !== 0) certain++
    return place
  })
  if (certain === 0) throw unavailable(state.txid)
  return { ...state, map }
}

/** The same state from a set of files that ends at its TXID, if there is one. */
export async function exactState(
  chain: Chain,
  state: Pick<ChainState, 'txid' | 'pageSize' | 'commit'>,
  files: FilesByLevel,
): Promise<ChainState | undefined> {
  const plan = selectPlan(files, { txid: state.txid })
  if (plan.length === 0) return undefined
  const exact = await chain.loadPlan(plan)
  if (exact.pageSize === state.pageSize && exact.commit === state.commit) return exact
  throw begunAnew(state.txid)
}

/** What a transaction is told whose replica is gone. */
export function begunAnew(txid: number, cause?: LitestreamError): LitestreamError {
  return new LitestreamError(
    'REPLICA_RESET',
    `TXID ${formatTxid(txid)} of the replica is no longer what this transaction reads: it was begun anew`,
    { cause, hint: 'End the transaction: the next one sees the new replica.' },
  )
}

export function unavailable(txid: number, cause?: LitestreamError): LitestreamError {
  return new LitestreamError('PAGE_UNAVAILABLE', `no set of files leads to TXID ${formatTxid(txid)} any more`, {
    cause,
    hint: 'End the transaction: the next one sees a newer TXID.',
  })
}

/**
 * Where pages are by the last state before `state` that can be built, if one file leads from there across its TXID: what that file
 * does not have did not change on the way. Of pages beyond its own commit it says nothing: a database that was made smaller at its
 * end took their changes with it.
 */
async function placesBefore(
  chain: Chain,
  state: ChainState,
  files: FilesByLevel,
): Promise<(pgno: number) => FramePlace> {
  const upTo = files.map((level) => level.filter((file) => file.maxTxid <= state.txid))
  const plan = selectPlan(upTo, { timestamp: Number.POSITIVE_INFINITY })
  const reached = plan.at(-1)?.maxTxid
  const across = files
    .flat()
    .filter((file) => file.level !== 9 && file.minTxid <= (reached ?? 0) + 1 && file.maxTxid > state.txid)
    .sort((a, b) => a.maxTxid - b.maxTxid)[0]
  if (reached === undefined || !across) return () => NOWHERE
  const [before, { changed, commit }] = await Promise.all([chain.loadPlan(plan), chain.pagesOf(across)])
  if (before.pageSize !== state.pageSize) return () => NOWHERE
  return (pgno) => (pgno > commit || changed.has(pgno) ? NOWHERE : before.map.find(pgno))
}

/** Whether the file of an ordinal is listed; remembered, because it is asked for every page. */
function presence(chain: Chain, files: FilesByLevel): (ordinal: number) => boolean {
  const listed = new Set(files.flat().map(fileIdentity))
  const known = new Map<number, boolean>()
  return (ordinal) => {
    let there = known.get(ordinal)
    if (there === undefined) {
      there = listed.has(fileIdentity(chain.files.get(ordinal)))
      known.set(ordinal, there)
    }
    return there
  }
}
