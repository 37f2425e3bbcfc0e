import type { FileLayout } from '../levels/remote-layout.js'
import { CHECKSUM_FLAG, FLAG_NO_CHECKSUM } from '../ltx/format.js'
import type { PageIndex } from '../ltx/page-index.js'
import { native } from '../native/addon.js'

/**
 * Maximum number of bytes of a segment. The restore reads each segment with one ranged read.
 * Segments are large, so that the time of a round trip is negligible. Segments are also small
 * enough that several of them fit into memory.
 */
export const SEGMENT_SIZE: number = 2 * 1024 * 1024

/**
 * Maximum number of decoded pages of one segment. SEGMENT_PAGES limits segments with small frames.
 */
export const SEGMENT_PAGES = 8192

/**
 * Consecutive frames of an LTX file. `from` is the position in the page index of the first frame,
 * and `to` - 1 is that of the last frame.
 */
export interface FrameSegment {
  readonly from: number
  readonly to: number
  /** Offset of the segment in the LTX file, in bytes. */
  readonly offset: number
  readonly length: number
}

/** Divides the page block of an LTX file into segments of whole frames. */
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

/**
 * The CRC of the frames of a segment, and the number of bytes that the CRC covers. The file
 * checksum can be combined from such CRCs.
 */
export interface SegmentSum {
  readonly crc: bigint
  readonly length: number
}

/**
 * Whether the CRCs of the segments are sufficient to verify an LTX file. A snapshot with database
 * checksums is not verified by segments, because such a snapshot must be decoded in order.
 */
export function isSummedBySegments({ header }: FileLayout): boolean {
  return (header.flags & FLAG_NO_CHECKSUM) !== 0 || header.minTxid !== 1
}

/** Whether the CRCs of the segments match the file checksum in the trailer. */
export function hasFileChecksum({ sums }: FileLayout, segments: readonly SegmentSum[]): boolean {
  let crc = sums.header
  for (const segment of segments) crc = native.combineCrc64(crc, segment.crc, segment.length)
  return (native.combineCrc64(crc, sums.end, sums.endLength) | CHECKSUM_FLAG) === sums.fileChecksum
}
