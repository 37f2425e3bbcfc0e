import type { FileReader } from '../../../levels/remote-index.js'
import { fileLabel } from '../../../ltx/file-label.js'
import { frameFault } from '../../../ltx/frame-fault.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'
import type { Piece } from './checksummed-file.js'
import type { FillRange } from './fill-plan.js'
import type { CopyFile } from './hydration-file.js'

export interface Filled {
  /** Numbers of the pages that were written to the local copy. */
  readonly written: Uint32Array
  readonly piece: Piece
}

/**
 * Reads a range of a file and writes the wanted pages of that range into the local copy. Resolves
 * with undefined if the local copy was closed during the read. Other code must not use the buffer
 * `into` until the promise resolves. Throws LTX_CORRUPT for a damaged frame.
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
  // A transaction that begins during the write sees the current view or a newer view. Neither the
  // current view nor a newer view reads these pages from the local copy yet.
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
 * Returns the frames for native code, and the numbers of the pages to write. A frame is described
 * by its offset in the range, its size, its page number, and 1 if the page is written.
 */
function framesIn({ from, first, end, offset }: FillRange): { frames: Uint32Array; written: Uint32Array } {
  const { pgnos, offsets, sizes } = from.frames
  const frames = new Uint32Array((end - first) * 4)
  const written = from.pgnos.within(pgnos[first], pgnos[end - 1])
  let next = 0
  for (let i = first; i < end; i++) {
    const wanted = written[next] === pgnos[i]
    if (wanted) next++
    const at = (i - first) * 4
    frames[at] = offsets[i] - offset
    frames[at + 1] = sizes[i]
    frames[at + 2] = pgnos[i]
    frames[at + 3] = wanted ? 1 : 0
  }
  return { frames, written }
}
