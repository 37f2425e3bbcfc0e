import { native } from '../../../native/addon.js'

/**
 * Number of pages per chunk of a page map. The native addon writes chunks too
 * (native/napi/page_index_napi.cc).
 */
export const CHUNK_PAGES = native.constants.chunkPages

/** The position of the frame of one page. */
export interface FramePlace {
  /** Ordinal of the file in the file table, or 0 if no file has the page. */
  readonly file: number
  /** Offset of the frame in the file, in bytes. */
  readonly offset: number
  /**
   * Size of the frame with its header, in bytes. If the size is 0, the page index entry of the page
   * is not in memory, and `offset` has no meaning.
   */
  readonly size: number
}

export const NOWHERE: FramePlace = { file: 0, offset: 0, size: 0 }

/**
 * In a chunk, the file of a page that no file has, although the snapshot of the page map has an
 * older version of the page.
 */
export const NO_FILE = 0xffffffff

/**
 * Number of bits for the size of a frame. The frame of the largest incompressible page needs 17
 * bits.
 */
const SIZE_BITS = native.constants.sizeBits
const SIZE_MASK = 2 ** SIZE_BITS - 1

/**
 * The positions of consecutive pages. Each position takes 12 bytes. The position of a page consists
 * of the low 32 bits of the offset, the 14 high bits of the offset (64 TiB) together with the frame
 * size, and the file ordinal.
 */
export class Chunk {
  readonly buffer: ArrayBuffer
  readonly #low: Uint32Array
  readonly #high: Uint32Array
  /**
   * File ordinals by position in the chunk. If the ordinal is 0, only the snapshot of the page map
   * can have the page. NO_FILE means that no file has the page.
   */
  readonly files: Uint32Array
  #ordinals: Uint32Array | undefined

  constructor(from?: Chunk) {
    this.buffer = new ArrayBuffer(CHUNK_PAGES * 12)
    this.#low = new Uint32Array(this.buffer, 0, CHUNK_PAGES)
    this.#high = new Uint32Array(this.buffer, CHUNK_PAGES * 4, CHUNK_PAGES)
    this.files = new Uint32Array(this.buffer, CHUNK_PAGES * 8, CHUNK_PAGES)
    if (!from) return
    this.#low.set(from.#low)
    this.#high.set(from.#high)
    this.files.set(from.files)
  }

  get(i: number): FramePlace {
    const high = this.#high[i]
    return {
      file: this.files[i],
      offset: Math.floor(high / 2 ** SIZE_BITS) * 2 ** 32 + this.#low[i],
      size: high & SIZE_MASK,
    }
  }

  /** Sets the position of a page. `set` must not be called for a chunk that a page map contains. */
  set(i: number, { file, offset, size }: FramePlace): void {
    this.#low[i] = offset % 2 ** 32
    this.#high[i] = Math.floor(offset / 2 ** 32) * 2 ** SIZE_BITS + size
    this.files[i] = file
  }

  /**
   * Clears all positions from `first` on. `clearFrom` must not be called for a chunk that a page
   * map contains.
   */
  clearFrom(first: number): void {
    this.files.fill(0, first)
  }

  /** Whether a file exists for each of the first `count` pages of the chunk. */
  isFull(count: number): boolean {
    for (let i = 0; i < count; i++) if (this.files[i] === 0 || this.files[i] === NO_FILE) return false
    return true
  }

  /**
   * Returns the distinct files of the pages in this chunk. Call `ordinals` only when the chunk
   * belongs to a page map and no longer changes.
   */
  ordinals(): Uint32Array {
    this.#ordinals ??= this.#collect()
    return this.#ordinals
  }

  #collect(): Uint32Array {
    const found = new Set<number>()
    let last = 0
    for (const file of this.files) {
      if (file !== last && file !== 0 && file !== NO_FILE) found.add(file)
      last = file
    }
    return Uint32Array.from(found)
  }
}
