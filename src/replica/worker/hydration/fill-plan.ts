import { reading } from '../../../levels/file-of-error.js'
import type { PagedIndex } from '../../../levels/paged-index.js'
import type { FileReader } from '../../../levels/remote-index.js'
import type { PageIndex } from '../../../ltx/page-index.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'
import { Breather } from '../../../util/breather.js'
import { runAll } from '../../../util/run-all.js'
import type { FileTable } from '../chain/file-ordinals.js'
import { CHUNK_PAGES } from '../chain/map-chunk.js'
import type { PageMap } from '../chain/page-map.js'
import { PageRuns } from '../chain/page-runs.js'
import type { PageSet } from '../chain/page-set.js'
import { MAX_GAP } from '../pages/fetch-plan.js'
import { WholeFile } from './checksummed-file.js'

/** Number of pages that the loop examines before it yields to other work. */
const PAGES_AT_ONCE = 4096
/** Number of pages whose frames are looked up together. */
const PART = 65_536
/** Number of page indexes that are read in parallel. */
const INDEXES_AT_ONCE = 16
/**
 * Maximum bytes of one read for the local copy. A read for the local copy is smaller than a read
 * for a scan. A waiting reader is therefore never delayed for long.
 */
export const RANGE = 4 * 1024 * 1024

/** The pages of one file that the local copy lacks. */
export interface LackingFile {
  /** The ordinal of the file in the file table. */
  readonly file: number
  /** The missing pages in ascending order. The frames in a file have the same order. */
  readonly pgnos: PageRuns
}

/** A file whose pages are read into the local copy. */
export interface FillFile extends LackingFile {
  /** The frames to read, which are either the frames of `pgnos` or all frames of the file. */
  readonly frames: PageIndex
  /**
   * The object that verifies the checksum of a file that is read completely, or undefined if the
   * file was verified before.
   */
  readonly whole: WholeFile | undefined
}

/**
 * One request to the store. The request reads the frames from `first` to `end` of a file, and the
 * bytes between these frames.
 */
export interface FillRange {
  readonly from: FillFile
  readonly first: number
  readonly end: number
  /** Offset of the request in the file, in bytes. */
  readonly offset: number
  readonly length: number
}

/** The requests that fill the missing pages of a local copy. */
export interface FillPlan {
  /**
   * The requests of a large file are computed while earlier requests run, because the positions of
   * all pages may not fit into memory.
   */
  readonly ranges: AsyncIterable<FillRange>
  readonly whole: readonly WholeFile[]
}

/**
 * Returns the pages for which `wanted` is true and which are not `present`. The pages are grouped
 * by their file in `map`. Pages that no LTX file contains are omitted.
 */
export async function lackingFiles(
  map: PageMap,
  present: PageSet,
  wanted: (pgno: number) => boolean,
): Promise<LackingFile[]> {
  const breather = new Breather()
  const files = new Map<number, PageRuns>()
  let looked = 0
  let next = 1
  for (;;) {
    const pgno = present.firstMissing(next)
    if (pgno > map.commit) break
    if (++looked % PAGES_AT_ONCE === 0) await breather.rest()
    const at = Math.floor((pgno - 1) / CHUNK_PAGES)
    if (at >= map.length) break
    const isEmpty = map.isEmpty(at)
    next = isEmpty ? (at + 1) * CHUNK_PAGES + 1 : pgno + 1
    if (isEmpty) continue
    const file = map.fileOf(pgno)
    if (file === 0 || !wanted(pgno)) continue
    let lacking = files.get(file)
    if (!lacking) {
      lacking = new PageRuns()
      files.set(file, lacking)
    }
    lacking.add(pgno)
  }
  return [...files].map(([file, lacking]) => ({ file, pgnos: lacking })).sort((a, b) => a.file - b.file)
}

export interface FillSource {
  readonly client: FileReader
  readonly files: () => FileTable
  readonly signal: AbortSignal
  /**
   * Whether the checksum of the whole file was verified before. Only the missing pages of such a
   * file are read.
   */
  readonly isVerified: (file: LtxFileInfo) => boolean
}

/**
 * Returns the requests that fill the `lacking` pages. `map` is the page map from which `lacking`
 * was made.
 */
export async function planFill(lacking: readonly LackingFile[], map: PageMap, source: FillSource): Promise<FillPlan> {
  const { client, files, signal, isVerified } = source
  const all = await runAll(
    INDEXES_AT_ONCE,
    lacking.map(({ file, pgnos }) => async () => {
      const info = files().get(file)
      const index = files().pagedIndex(file)
      if (isVerified(info)) return { info, file, pgnos, parts: framesOf(map, pgnos, index), whole: undefined }
      const whole = await reading(info, () => WholeFile.open(client, info, file, index, signal))
      return { info, file, pgnos, parts: whole.frames(), whole }
    }),
  )
  async function* ranges(): AsyncGenerator<FillRange> {
    for (const { info, file, pgnos, parts, whole } of all) {
      for (;;) {
        const { value: frames, done } = await reading(info, () => parts.next())
        if (done) break
        yield* cut({ file, pgnos, frames, whole })
      }
    }
  }
  return { ranges: ranges(), whole: all.flatMap(({ whole }) => whole ?? []) }
}

/** Returns the frames of some pages of a file, in parts. */
async function* framesOf(map: PageMap, all: PageRuns, index: PagedIndex | undefined): AsyncGenerator<PageIndex> {
  for (const pgnos of all.parts(PART)) {
    const places = index ? await index.positions([...pgnos]) : Array.from(pgnos, (pgno) => map.find(pgno))
    const [offsets, sizes] = [new Float64Array(pgnos.length), new Uint32Array(pgnos.length)]
    places.forEach(({ offset, size }, i) => {
      offsets[i] = offset
      sizes[i] = size
    })
    yield { count: pgnos.length, pgnos, offsets, sizes }
  }
}

/**
 * Cuts the frames of a file into requests. Pages that are adjacent in the database are adjacent in
 * a file, so few requests are needed.
 */
function* cut(from: FillFile): Generator<FillRange> {
  const { count, offsets, sizes } = from.frames
  for (let first = 0; first < count; ) {
    const offset = offsets[first]
    let reached = offset + sizes[first]
    let end = first + 1
    for (; end < count; end++) {
      const next = offsets[end] + sizes[end]
      if (offsets[end] - reached > MAX_GAP || next - offset > RANGE) break
      reached = next
    }
    yield { from, first, end, offset, length: reached - offset }
    first = end
  }
}
