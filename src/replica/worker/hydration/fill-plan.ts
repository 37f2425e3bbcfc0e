import type { FileReader } from '../../../levels/remote-index.js'
import type { PageIndex } from '../../../ltx/page-index.js'
import type { FileTable } from '../chain/file-ordinals.js'
import type { PageMap } from '../chain/page-map.js'
import { MAX_GAP } from '../pages/fetch-plan.js'
import { WholeFile } from './checksummed-file.js'

/** Bytes of one read; smaller than a scan's, so that a page someone waits for is never far behind. */
export const RANGE = 4 * 1024 * 1024

/** What a copy lacks of one file. A database may have millions of pages: they stand in arrays of numbers, here and in what follows. */
export interface LackingFile {
  /** Its ordinal. */
  readonly file: number
  /** Ascending, as the frames of a file are. */
  readonly pgnos: Uint32Array
}

/** A file to be read from. */
export interface FillFile extends LackingFile {
  /** The frames that are read: those of `pgnos`, or all of the file. */
  readonly frames: PageIndex
  /** If most of the file is wanted: all of it is read, so that it can be verified. */
  readonly whole: WholeFile | undefined
}

/** One request to the store: frames `first` to `end` of a file, and what lies between them. */
export interface FillRange {
  readonly from: FillFile
  readonly first: number
  readonly end: number
  /** Bytes. */
  readonly offset: number
  readonly length: number
}

/** What is read to fill in the pages that a copy lacks. */
export interface FillPlan {
  readonly ranges: readonly FillRange[]
  readonly whole: readonly WholeFile[]
}

/** The pages among `lacking`, ascending, by the file that `map` has them in; those that no file has are left out. */
export function byFile(map: PageMap, lacking: () => Iterable<number>): LackingFile[] {
  const counts = new Map<number, number>()
  for (const pgno of lacking()) {
    const file = map.fileOf(pgno)
    if (file !== 0) counts.set(file, (counts.get(file) ?? 0) + 1)
  }
  const files = new Map<number, { readonly file: number; readonly pgnos: Uint32Array; count: number }>()
  for (const [file, count] of counts) files.set(file, { file, pgnos: new Uint32Array(count), count: 0 })
  for (const pgno of lacking()) {
    const one = files.get(map.fileOf(pgno))
    if (one) one.pgnos[one.count++] = pgno
  }
  return [...files.values()].sort((a, b) => a.file - b.file)
}

/** `map`: the one that the pages were looked up in. */
export async function planFill(
  lacking: readonly LackingFile[],
  map: PageMap,
  client: FileReader,
  files: () => FileTable,
  signal: AbortSignal,
): Promise<FillPlan> {
  const all = await Promise.all(
    lacking.map(async ({ file, pgnos }): Promise<FillFile> => {
      const frames = framesOf(map, pgnos)
      const info = files().get(file)
      const bytes = frames.sizes.reduce((sum, size) => sum + size, 0)
      if (bytes < info.size / 2) return { file, pgnos, frames, whole: undefined }
      const whole = await WholeFile.open(client, info, file, signal)
      return { file, pgnos, frames: whole.frames, whole }
    }),
  )
  return { ranges: all.flatMap((file) => [...cut(file)]), whole: all.flatMap(({ whole }) => whole ?? []) }
}

function framesOf(map: PageMap, pgnos: Uint32Array): PageIndex {
  const { length: count } = pgnos
  const frames = { count, pgnos, offsets: new Float64Array(count), sizes: new Uint32Array(count) }
  for (let i = 0; i < count; i++) {
    const { offset, size } = map.find(pgnos[i])
    frames.offsets[i] = offset
    frames.sizes[i] = size
  }
  return frames
}

/** Neighbours in the database are neighbours in a file: few requests. */
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
