import type { FileLayout } from '../levels/remote-layout.js'
import { CHECKSUM_FLAG, FLAG_NO_CHECKSUM } from '../ltx/format.js'
import type { PageIndex } from '../ltx/page-index.js'
import { native } from '../native/addon.js'

/**
 * Bytes of one ranged read: large enough that a round trip is negligible, small enough to hold
 * several in memory.
 */
export const SEGMENT_SIZE: number = 2 * 1024 * 1024

/** Bounds the pages that a segment of small frames decodes to. */
export const SEGMENT_PAGES = 8192

/** Consecutive frames of a file, by their positions in the page index: `from` to `to` - 1. */
export interface FrameSegment {
  readonly from: number
  readonly to: number
  /** Bytes in the file. */
  readonly offset: number
  readonly length: number
}

/** Divides the page block of a file into segments of whole frames. */
export function frameSegments({ count, offsets, sizes }: PageIndex): FrameSegment[] {
  const segments: FrameSegment[] = []
  for (let from = 0; from < count; ) {
    const offset = offsets[from]!
    let length = sizes[from]!
    let to = from + 1
    while (to < count && to - from < SEGMENT_PAGES && length + sizes[to]! <= SEGMENT_SIZE) length += sizes[to++]!
    segments.push({ from, to, offset, length })
    from = to
  }
  return segments
}

/** CRC of the frames of a segment, as the file checksum sums them, and the number of bytes summed. */
export interface SegmentSum {
  readonly crc: bigint
  readonly length: number
}

/**
 * Whether the sums of its segments say everything about a file: a snapshot with database checksums
 * must be decoded in order.
 */
export function isSummedBySegments({ header }: FileLayout): boolean {
  return (header.flags & FLAG_NO_CHECKSUM) !== 0 || header.minTxid !== 1
}

/** Whether a file of these frames has the file checksum that it ends with. */
export function hasFileChecksum({ sums }: FileLayout, segments: readonly SegmentSum[]): boolean {
  let crc = sums.header
  for (const segment of segments) crc = native.combineCrc64(crc, segment.crc, segment.length)
  return (native.combineCrc64(crc, sums.end, sums.endLength) | CHECKSUM_FLAG) === sums.fileChecksum
}
