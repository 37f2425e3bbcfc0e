import { LitestreamError } from '../../../errors.js'
import { fileIdentity } from '../../../levels/file-identity.js'
import type { FilesByLevel } from '../../../levels/plan.js'
import { formatTxid } from '../../../ltx/txid.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'
import { Breather } from '../../../util/breather.js'
import type { Chain, ChainState } from './chain.js'
import { CHUNK_PAGES, type FramePlace, NOWHERE } from './map-chunk.js'
import { includesPage } from './page-lists.js'
import type { PageMap } from './page-map.js'
import { PageMapBuilder } from './page-map-builder.js'

/**
 * Loads an earlier state again from the files that are listed now, without the file `lost` (deleted
 * or damaged). If no set of files ends at its TXID any more, keeps every page whose content is
 * certain: pages whose own file exists, and pages that did not change in the only file that spans
 * the TXID. The other pages have no position in the map. Throws PAGE_UNAVAILABLE if no page is
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
  const map = await certainPages(state.map, listedOrdinals(chain, files), before)
  if (!map) throw unavailable(state.txid)
  return { ...state, map }
}

/**
 * The pages of a map whose files are listed, and the positions in `before` for the others;
 * undefined if no page is left.
 */
async function certainPages(
  map: PageMap,
  isListed: (ordinal: number) => boolean,
  before: (pgno: number) => FramePlace,
): Promise<PageMap | undefined> {
  const breather = new Breather()
  const builder = new PageMapBuilder()
  builder.resize(map.commit)
  let certain = 0
  for (let at = 0; at < map.length; at++) {
    await breather.rest()
    const chunk = map.chunk(at)
    const first = at * CHUNK_PAGES + 1
    const last = Math.min(map.commit, first + CHUNK_PAGES - 1)
    if (chunk?.isFull(last - first + 1) && chunk.ordinals().every(isListed)) {
      builder.share(at, chunk)
      certain += last - first + 1
      continue
    }
    for (let pgno = first; pgno <= last; pgno++) {
      const own = map.find(pgno)
      const place = own.file !== 0 && isListed(own.file) ? own : before(pgno)
      if (place.file === 0) continue
      builder.put(pgno, place)
      certain++
    }
  }
  return certain === 0 ? undefined : builder.build()
}

/** Loads the same state from a set of files that ends at its TXID, if such a set exists. */
export async function exactState(
  chain: Chain,
  state: Pick<ChainState, 'txid' | 'pageSize' | 'commit'>,
  files: FilesByLevel,
): Promise<ChainState | undefined> {
  const exact = await chain.loadListed(files, { txid: state.txid })
  if (!exact) return undefined
  if (exact.pageSize === state.pageSize && exact.commit === state.commit) return exact
  throw replicaWasReset(state.txid)
}

/** The error for a transaction whose replica was reset. */
export function replicaWasReset(txid: number, cause?: LitestreamError): LitestreamError {
  return new LitestreamError(
    'REPLICA_RESET',
    `the replica was reset, so TXID ${formatTxid(txid)}, which this transaction reads, is gone`,
    { cause, hint: 'End the transaction; the next one reads the new contents of the replica.' },
  )
}

export function unavailable(txid: number, cause?: LitestreamError): LitestreamError {
  return new LitestreamError('PAGE_UNAVAILABLE', `no set of files reaches TXID ${formatTxid(txid)} any more`, {
    cause,
    hint: 'End the transaction; the next one reads a newer TXID.',
  })
}

/**
 * The page positions of the last state before `state` that can be built, if one file spans from
 * there across its TXID: pages that the file does not have did not change in between. Pages beyond
 * the file's own commit are excluded: a later truncation may have discarded their changes.
 */
async function placesBefore(
  chain: Chain,
  state: ChainState,
  files: FilesByLevel,
): Promise<(pgno: number) => FramePlace> {
  const upTo = files.map((level) => level.filter((file) => file.maxTxid <= state.txid))
  const before = await chain.loadListed(upTo, { timestamp: Number.POSITIVE_INFINITY })
  const across = files
    .flat()
    .filter(({ level, minTxid, maxTxid }) => level !== 9 && minTxid <= (before?.txid ?? 0) + 1 && maxTxid > state.txid)
    .sort((a, b) => a.maxTxid - b.maxTxid)[0]
  if (!before || !across || before.pageSize !== state.pageSize) return () => NOWHERE
  const { changed, commit } = await chain.pagesOf(across)
  return (pgno) => (pgno > commit || includesPage(changed, pgno) ? NOWHERE : before.map.find(pgno))
}

/**
 * Whether the file with this ordinal is still listed. Memoized, because it is called once for every
 * page.
 */
function listedOrdinals(chain: Chain, files: FilesByLevel): (ordinal: number) => boolean {
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
