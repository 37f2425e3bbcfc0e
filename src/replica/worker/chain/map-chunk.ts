import { native } from '../../../native/addon.js'

/** Pages per chunk of a page map. The addon writes chunks too (native/napi/page_index_napi.cc). */
export const CHUNK_PAGES = native.constants.chunkPages

/** The position of one page's frame. */
export interface FramePlace {
  /** Ordinal of the file in the file table; 0: no file has the page. */
  readonly file: number
  /** Offset in the file, in bytes. */
  readonly offset: number
  /** Size of the whole frame in bytes. */
  readonly size: number
}

export const NOWHERE: FramePlace = { file: 0, offset: 0, size: 0 }

/** Number of bits for a frame's size; the largest incompressible page needs 17. */
const SIZE_BITS = native.constants.sizeBits
const SIZE_MASK = 2 ** SIZE_BITS - 1

/**
 * 12 bytes per page: the low half of the offset, its 14 high bits (64 TiB) together with the size,
 * and a file ordinal.
 */
export class Chunk {
  readonly buffer: ArrayBuffer
  readonly #low: Uint32Array
  readonly #high: Uint32Array
  /** Indexed by position in the chunk; 0: no file has the page. */
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

  /** Only for a chunk that no map contains yet. */
  set(i: number, { file, offset, size }: FramePlace): void {
    this.#low[i] = offset % 2 ** 32
    this.#high[i] = Math.floor(offset / 2 ** 32) * 2 ** SIZE_BITS + size
    this.files[i] = file
  }

  /** Only for a chunk that no map contains yet: empties the positions from `first` on. */
  clearFrom(first: number): void {
    this.files.fill(0, first)
  }

  /** Whether each of its first `count` pages is in a file. */
  isFull(count: number): boolean {
    for (let i = 0; i < count; i++) if (this.files[i] === 0) return false
    return true
  }

  /**
   * The distinct files of its pages. Call it only when the chunk belongs to a map and no longer
   * changes.
   */
  ordinals(): Uint32Array {
    this.#ordinals ??= this.#collect()
    return this.#ordinals
  }

  #collect(): Uint32Array {
    const found = new Set<number>()
    let last = 0
    for (const file of this.files) {
      if (file !== last && file !== 0) found.add(file)
      last = file
    }
    return Uint32Array.from(found)
  }
}
