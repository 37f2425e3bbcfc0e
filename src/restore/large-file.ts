import { firstPageFault } from '../levels/decode-listed.js'
import type { FileLayout } from '../levels/remote-layout.js'
import { native } from '../native/addon.js'
import {
  type FrameSegment,
  frameSegments,
  hasFileChecksum,
  SEGMENT_PAGES,
  SEGMENT_SIZE,
  type SegmentSum,
} from './frame-segments.js'
import { type FileRange, NO_RANGE, type PageFile } from './page-file.js'

/**
 * Number of bytes of decoded pages that are written at once. ROOM bytes fit into the cache of a
 * processor.
 */
const ROOM = 512 * 1024

/**
 * The memory for one segment. SegmentBuffers are reused, because allocating new memory takes longer
 * than decoding a segment.
 */
export class SegmentBuffers {
  readonly frames = new Uint8Array(SEGMENT_SIZE)
  readonly wanted = new Uint8Array(SEGMENT_PAGES)
  readonly room: Uint8Array

  constructor(pageSize: number) {
    this.room = new Uint8Array(Math.max(ROOM, 2 * pageSize))
  }
}

/**
 * Number of segments per LTX file whose pages stay in the operating system's page cache until the
 * pages are on disk.
 */
const CACHED_SEGMENTS = 16

/**
 * An LTX file whose segments are decoded on the threads of libuv's thread pool. Several segments
 * are decoded at a time, in any order. The checksum of the LTX file is combined from the CRCs of
 * its segments at the end.
 */
export class LargeFile {
  readonly layout: FileLayout
  readonly segments: readonly FrameSegment[]
  /** Number of pages that were written to the output. */
  written = 0
  readonly #sums: (SegmentSum | undefined)[]
  readonly #uncached: boolean
  readonly #flushed: FileRange[] = []
  #left: number

  /**
   * If `uncached` is true, pages that are on disk are removed from the page cache of the operating
   * system.
   */
  constructor(layout: FileLayout, { uncached }: { readonly uncached: boolean }) {
    this.layout = layout
    this.#uncached = uncached
    this.segments = frameSegments(layout.index)
    this.#sums = new Array(this.segments.length).fill(undefined)
    this.#left = this.segments.length
  }

  /** Whether all segments were read. */
  get isRead(): boolean {
    return this.#left === 0
  }

  /** Whether all segments are undamaged and the checksum of the LTX file is correct. */
  get isSound(): boolean {
    const sums = this.#sums.filter((sum) => sum !== undefined)
    return sums.length === this.segments.length && hasFileChecksum(this.layout, sums)
  }

  /**
   * Writes the pages of segment `i` that `isWanted` selects. `frames` is the content of the
   * segment.
   */
  async write(
    i: number,
    output: PageFile,
    frames: Uint8Array,
    { room, wanted }: SegmentBuffers,
    isWanted: (pgno: number) => boolean,
  ): Promise<void> {
    const { from, to } = this.segments[i]!
    const pgnos = this.layout.index.pgnos.subarray(from, to)
    const sizes = this.layout.index.sizes.subarray(from, to)
    let count = 0
    for (let at = 0; at < pgnos.length; at++) count += wanted[at] = isWanted(pgnos[at]!) ? 1 : 0
    if (pgnos[0] !== 1 || this.#hasFirstPage(frames)) {
      const range = this.#rangeOf(pgnos, count)
      this.#flushed[i] = range
      this.#sums[i] = await output.writeFrames(
        { frames, pgnos, sizes, wanted, room },
        range,
        (this.#uncached ? this.#flushed[i - CACHED_SEGMENTS] : undefined) ?? NO_RANGE,
      )
    }
    this.written += count
    this.#left--
  }

  /**
   * Returns the range of the output file that contains the pages of a segment. If most pages in
   * that range come from other LTX files, returns an empty range. A flush of a range whose pages
   * mostly come from other LTX files would also write those pages.
   */
  #rangeOf(pgnos: Uint32Array, wanted: number): FileRange {
    const { pageSize } = this.layout.header
    const [first, last] = [pgnos[0]!, pgnos[pgnos.length - 1]!]
    const pages = last - first + 1
    return 4 * wanted < pages ? NO_RANGE : { position: (first - 1) * pageSize, size: pages * pageSize }
  }

  #hasFirstPage(frames: Uint8Array): boolean {
    const { header } = this.layout
    const page = new Uint8Array(header.pageSize)
    const [state, one, result] = [new BigUint64Array(2), new Uint32Array(1), new Float64Array(2)]
    native.decodeFrames(state, header.pageSize, frames, one, new Uint32Array(1), page, false, result)
    return result[0] === 1 && firstPageFault(page, header) === undefined
  }
}
