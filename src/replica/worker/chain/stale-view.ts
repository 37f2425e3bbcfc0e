import { LitestreamError } from '../../../errors.js'
import { fileIdentity } from '../../../levels/file-identity.js'
import type { FilesByLevel } from '../../../levels/plan.js'
import { formatTxid } from '../../../ltx/txid.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'
import { Breather } from '../../../util/breather.js'
import type { Chain, ChainState } from './chain.js'
import { CHUNK_PAGES, type FramePlace, NOWHERE } from './map-chunk.js'
import { includesPage } from './page-lists.js'
import type { MapBase, PageMap } from './page-map.js'
import { PageMapBuilder } from './page-map-builder.js'

/**
 * Loads an earlier state again from the files that are listed now. The file `lost` was deleted or
 * is damaged, so it is not used. If no set of files ends at the TXID of the earlier state, the
 * loaded state keeps every page whose content is certain. The content of a page is certain if the
 * page's own file exists, or if the page did not change in the only file that spans the TXID of the
 * state. Pages without certain content have no position in the page map. Throws PAGE_UNAVAILABLE if
 * no page has certain content.
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
  const { places, base } = await placesBefore(chain, state, files)
  const map = await certainPages(state.map, listedOrdinals(chain, files), places, base)
  if (!map) throw unavailable(state.txid)
  return { ...state, map }
}

/**
 * Returns a page map. Pages whose files are listed have their positions in `map`, and other pages
 * have their positions in `before`, whose large snapshot is `baseBefore`. Returns undefined if no
 * page has a position.
 */
async function certainPages(
  map: PageMap,
  isListed: (ordinal: number) => boolean,
  before: (pgno: number) => FramePlace,
  baseBefore: MapBase | undefined,
): Promise<PageMap | undefined> {
  const breather = new Breather()
  const builder = new PageMapBuilder()
  builder.resize(map.commit)
  const keepsBase = map.base !== undefined && isListed(map.base.file)
  builder.setBase(keepsBase ? map.base : baseBefore)
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
    if (!chunk && keepsBase && last <= (map.base?.last ?? 0)) {
      certain += last - first + 1
      continue
    }
    for (let pgno = first; pgno <= last; pgno++) {
      const own = map.find(pgno)
      const place = own.file !== 0 && isListed(own.file) ? own : before(pgno)
      if (place.file !== 0) certain++
      if (place.file === builder.fileOf(pgno)) continue
      if (place.file === 0) builder.remove(pgno)
      else builder.put(pgno, place)
    }
  }
  return certain === 0 ? undefined : builder.build()
}

/**
 * Loads the same state from a set of files that ends at the TXID of `state`. Returns undefined if
 * no set of files ends at this TXID.
 */
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

/** The error for a transaction that began before the replica was reset. */
export function replicaWasReset(txid: number, cause?: LitestreamError): LitestreamError {
  return new LitestreamError(
    'REPLICA_RESET',
    `the replica was reset, so TXID ${formatTxid(txid)}, which this transaction reads, no longer exists`,
    { cause, hint: 'End the transaction; the next transaction reads the new contents of the replica.' },
  )
}

export function unavailable(txid: number, cause?: LitestreamError): LitestreamError {
  return new LitestreamError(
    'PAGE_UNAVAILABLE',
    `no set of files in the replica reaches TXID ${formatTxid(txid)} any longer`,
    {
      cause,
      hint: 'End the transaction; the next transaction reads a newer TXID.',
    },
  )
}

/**
 * Returns page positions of the last state before `state` that can be loaded. The positions are
 * valid if one file spans from the earlier state across the TXID of `state`. A page that the
 * spanning file does not contain did not change between the two states. Pages above `commit` of the
 * spanning file are excluded, because a later truncation may have discarded their changes.
 */
async function placesBefore(
  chain: Chain,
  state: ChainState,
  files: FilesByLevel,
): Promise<{ readonly places: (pgno: number) => FramePlace; readonly base?: MapBase | undefined }> {
  const upTo = files.map((level) => level.filter((file) => file.maxTxid <= state.txid))
  const before = await chain.loadListed(upTo, { timestamp: Number.POSITIVE_INFINITY })
  const across = files
    .flat()
    .filter(({ level, minTxid, maxTxid }) => level !== 9 && minTxid <= (before?.txid ?? 0) + 1 && maxTxid > state.txid)
    .sort((a, b) => a.maxTxid - b.maxTxid)[0]
  if (!before || !across || before.pageSize !== state.pageSize) return { places: () => NOWHERE }
  const { changed, commit } = await chain.pagesOf(across)
  const places = (pgno: number) => (pgno > commit || includesPage(changed, pgno) ? NOWHERE : before.map.find(pgno))
  return { places, base: before.map.base }
}

/**
 * Returns a function that says whether the file with an ordinal is still listed. The returned
 * function is called for every page, so it remembers its results.
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
