import { native } from '../../../native/addon.js'
import { lowerBound } from '../../../util/sorted.js'

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

/** The positions of CHUNK_PAGES consecutive pages. A page has an index from 0 in its chunk. */
export interface PageChunk {
  /** Memory of the positions in bytes. */
  readonly byteLength: number
  /**
   * Returns the ordinal of the file of a page. If the ordinal is 0, only the snapshot of the page
   * map can have the page. NO_FILE means that no file has the page.
   */
  fileAt(i: number): number
  get(i: number): FramePlace
  /** Whether a file exists for each of the first `count` pages of the chunk. */
  isFull(count: number): boolean
  /**
   * Returns the distinct files of the pages in this chunk. Call `ordinals` only when the chunk
   * belongs to a page map and no longer changes.
   */
  ordinals(): Uint32Array
}

/** Maximum number of pages in a SparseChunk. */
const SPARSE_PAGES = CHUNK_PAGES / 8

/** A chunk with few pages. Each position takes 16 bytes. A SparseChunk never changes. */
export class SparseChunk implements PageChunk {
  /** The indexes of the pages, in ascending order. */
  readonly #indexes: Uint32Array
  /** The low and the high numbers of the positions, and the files. See Chunk. */
  readonly #low: Uint32Array
  readonly #high: Uint32Array
  readonly #files: Uint32Array
  #ordinals: Uint32Array | undefined

  private constructor(numbers: Uint32Array) {
    const count = numbers.length / 4
    const part = (n: number) => numbers.subarray(n * count, (n + 1) * count)
    this.#indexes = part(0)
    this.#low = part(1)
    this.#high = part(2)
    this.#files = part(3)
  }

  /** Returns a copy of a chunk, or undefined if the chunk has too many pages. */
  static of(chunk: Chunk): SparseChunk | undefined {
    const indexes: number[] = []
    for (let i = 0; i < CHUNK_PAGES; i++) {
      if (chunk.files[i] !== 0) indexes.push(i)
      if (indexes.length > SPARSE_PAGES) return undefined
    }
    const count = indexes.length
    const numbers = new Uint32Array(count * 4)
    indexes.forEach((i, at) => {
      const [low, high] = chunk.numbers(i)
      numbers.set([i], at)
      numbers.set([low], count + at)
      numbers.set([high], count * 2 + at)
      numbers.set([chunk.files[i]], count * 3 + at)
    })
    return new SparseChunk(numbers)
  }

  get byteLength(): number {
    return this.#indexes.length * 16
  }

  fileAt(i: number): number {
    const at = this.#find(i)
    return at < 0 ? 0 : this.#files[at]
  }

  get(i: number): FramePlace {
    const at = this.#find(i)
    return at < 0 ? NOWHERE : placeOf(this.#files[at], this.#low[at], this.#high[at])
  }

  /** A chunk with so few pages is never full, except the last chunk of a page map. */
  isFull(count: number): boolean {
    if (this.#indexes.length < count) return false
    for (let i = 0; i < count; i++) if (this.fileAt(i) === 0 || this.fileAt(i) === NO_FILE) return false
    return true
  }

  ordinals(): Uint32Array {
    this.#ordinals ??= distinctFiles(this.#files)
    return this.#ordinals
  }

  copyTo(chunk: Chunk): void {
    this.#indexes.forEach((i, at) => {
      chunk.set(i, placeOf(this.#files[at], this.#low[at], this.#high[at]))
    })
  }

  #find(i: number): number {
    const at = lowerBound(this.#indexes, i)
    return this.#indexes[at] === i ? at : -1
  }
}

function placeOf(file: number, low: number, high: number): FramePlace {
  return { file, offset: Math.floor(high / 2 ** SIZE_BITS) * 2 ** 32 + low, size: high & SIZE_MASK }
}

function distinctFiles(files: Uint32Array): Uint32Array {
  const found = new Set<number>()
  let last = 0
  for (const file of files) {
    if (file !== last && file !== 0 && file !== NO_FILE) found.add(file)
    last = file
  }
  return Uint32Array.from(found)
}

/**
 * The positions of consecutive pages. Each position takes 12 bytes. The position of a page consists
 * of the low 32 bits of the offset, the 14 high bits of the offset (64 TiB) together with the frame
 * size, and the file ordinal.
 */
export class Chunk implements PageChunk {
  readonly buffer: ArrayBuffer
  readonly #low: Uint32Array
  readonly #high: Uint32Array
  /**
   * File ordinals by position in the chunk. If the ordinal is 0, only the snapshot of the page map
   * can have the page. NO_FILE means that no file has the page.
   */
  readonly files: Uint32Array
  #ordinals: Uint32Array | undefined

  constructor() {
    this.buffer = new ArrayBuffer(CHUNK_PAGES * 12)
    this.#low = new Uint32Array(this.buffer, 0, CHUNK_PAGES)
    this.#high = new Uint32Array(this.buffer, CHUNK_PAGES * 4, CHUNK_PAGES)
    this.files = new Uint32Array(this.buffer, CHUNK_PAGES * 8, CHUNK_PAGES)
  }

  /** Copies all positions of another chunk. `copyFrom` must be called only for an empty chunk. */
  copyFrom(from: PageChunk | undefined): void {
    if (from instanceof SparseChunk) from.copyTo(this)
    if (!(from instanceof Chunk)) return
    this.#low.set(from.#low)
    this.#high.set(from.#high)
    this.files.set(from.files)
  }

  get byteLength(): number {
    return this.buffer.byteLength
  }

  fileAt(i: number): number {
    return this.files[i]
  }

  get(i: number): FramePlace {
    return placeOf(this.files[i], this.#low[i], this.#high[i])
  }

  /** Returns the low and the high number of a position. */
  numbers(i: number): readonly [low: number, high: number] {
    return [this.#low[i], this.#high[i]]
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

  isFull(count: number): boolean {
    for (let i = 0; i < count; i++) if (this.files[i] === 0 || this.files[i] === NO_FILE) return false
    return true
  }

  ordinals(): Uint32Array {
    this.#ordinals ??= distinctFiles(this.files)
    return this.#ordinals
  }
}
