import type { FileReader } from '../../../levels/remote-index.js'
import { fileLabel } from '../../../ltx/file-label.js'
import { frameFault } from '../../../ltx/frame-fault.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'
import { lowerBound } from '../../../util/sorted.js'
import type { Piece } from './checksummed-file.js'
import type { FillRange } from './fill-plan.js'
import type { CopyFile } from './hydration-file.js'

export interface Filled {
  /** Numbers of the written pages. */
  readonly written: Uint32Array
  readonly piece: Piece
}

/**
 * Reads a range of a file and writes its wanted pages into the local copy; undefined if the local
 * copy was closed meanwhile. `into`: a buffer that no other code uses until then. Throws
 * LTX_CORRUPT for a damaged frame.
 */
export async function fillRange(
  copy: CopyFile,
  client: FileReader,
  info: LtxFileInfo,
  range: FillRange,
  into: Uint8Array,
  signal: AbortSignal,
): Promise<Filled | undefined> {
  const { data } = await client.read(info, { offset: range.offset, length: range.length }, { signal, into })
  if (copy.closed) return undefined
  const { frames, written } = framesIn(range)
  // A transaction that begins meanwhile sees the current view or a newer one, and neither reads
  // these pages from the file.
  const { damaged, crc, length } = await copy.write(data, frames)
  const { offset } = range
  if (damaged < 0) return { written, piece: { offset, end: offset + range.length, crc, length } }
  const at = range.first + damaged
  const [pgno, place] = [range.from.frames.pgnos[at], range.from.frames.offsets[at]]
  const size = range.from.frames.sizes[at]
  const frame = data.subarray(place - offset, place - offset + size)
  throw frameFault(frame, { pgno, offset: place, size }, fileLabel(client, info))
}

/**
 * The frames for native code: [offset in the range, size, pgno, 1 if its page is written] each; and
 * the page numbers to write.
 */
function framesIn({ from, first, end, offset }: FillRange): { frames: Uint32Array; written: Uint32Array } {
  const { pgnos, offsets, sizes } = from.frames
  const frames = new Uint32Array((end - first) * 4)
  const begin = lowerBound(from.pgnos, pgnos[first])
  let next = begin
  for (let i = first; i < end; i++) {
    const wanted = from.pgnos[next] === pgnos[i]
    if (wanted) next++
    const at = (i - first) * 4
    frames[at] = offsets[i] - offset
    frames[at + 1] = sizes[i]
    frames[at + 2] = pgnos[i]
    frames[at + 3] = wanted ? 1 : 0
  }
  return { frames, written: from.pgnos.subarray(begin, next) }
}
