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
import type { PageSet } from '../chain/page-set.js'
import { MAX_GAP } from '../pages/fetch-plan.js'
import { WholeFile } from './checksummed-file.js'

/** Number of pages that the loop examines before it yields to other work. */
const PAGES_AT_ONCE = 4096
/** Number of page indexes that are read in parallel. */
const INDEXES_AT_ONCE = 16
/**
 * Maximum bytes of one read for the local copy. A read for the local copy is smaller than a read
 * for a scan. A waiting reader is therefore never delayed for long.
 */
export const RANGE = 4 * 1024 * 1024

/**
 * The pages of one file that the local copy lacks. The page numbers are stored in typed arrays,
 * because a database may have millions of pages.
 */
export interface LackingFile {
  /** The ordinal of the file in the file table. */
  readonly file: number
  /** The missing pages in ascending order. The frames in a file have the same order. */
  readonly pgnos: Uint32Array
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
  readonly ranges: readonly FillRange[]
  readonly whole: readonly WholeFile[]
}

/** Collects the missing pages of one file. */
class Lacking {
  #pgnos = new Uint32Array(64)
  #count = 0

  add(pgno: number): void {
    if (this.#count === this.#pgnos.length) {
      const grown = new Uint32Array(this.#count * 2)
      grown.set(this.#pgnos)
      this.#pgnos = grown
    }
    this.#pgnos[this.#count++] = pgno
  }

  pgnos(): Uint32Array {
    return this.#pgnos.subarray(0, this.#count)
  }
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
  const files = new Map<number, Lacking>()
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
      lacking = new Lacking()
      files.set(file, lacking)
    }
    lacking.add(pgno)
  }
  return [...files].map(([file, lacking]) => ({ file, pgnos: lacking.pgnos() })).sort((a, b) => a.file - b.file)
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
    lacking.map(({ file, pgnos }) => async (): Promise<FillFile> => {
      const info = files().get(file)
      if (isVerified(info)) {
        const frames = await reading(info, () => framesOf(map, pgnos, files().pagedIndex(file)))
        return { file, pgnos, frames, whole: undefined }
      }
      const whole = await reading(info, () => WholeFile.open(client, info, file, signal))
      return { file, pgnos, frames: whole.frames, whole }
    }),
  )
  return { ranges: all.flatMap((file) => [...cut(file)]), whole: all.flatMap(({ whole }) => whole ?? []) }
}

async function framesOf(map: PageMap, pgnos: Uint32Array, index: PagedIndex | undefined): Promise<PageIndex> {
  const { length: count } = pgnos
  const frames = { count, pgnos, offsets: new Float64Array(count), sizes: new Uint32Array(count) }
  for (let at = 0; at < count; at += PAGES_AT_ONCE) {
    const part = [...pgnos.subarray(at, at + PAGES_AT_ONCE)]
    const places = index ? await index.positions(part) : part.map((pgno) => map.find(pgno))
    places.forEach(({ offset, size }, i) => {
      frames.offsets[at + i] = offset
      frames.sizes[at + i] = size
    })
  }
  return frames
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
