import { lockPgno, MAX_INDEX_ENTRY, maxFrameSize } from './format.js'

/** The position of a page's frame in a file. */
export interface FramePosition {
  /** Offset of the frame in the file, in bytes. */
  readonly offset: number
  /** Size of the frame with its header, in bytes. */
  readonly size: number
}

/** Limits for the page index entries of a snapshot. */
export interface SnapshotRules {
  readonly pageSize: number
  /** Size of the database in pages. */
  readonly commit: number
  /** Offset at which the last frame of the snapshot ends. */
  readonly framesEnd: number
}

/**
 * Minimum number of consistent entries which prove that the decoder has found the beginning of an
 * entry.
 */
const PROOF = 16
/**
 * The block stores the offset of every SAMPLE-th entry. The other offsets are computed by adding
 * sizes.
 */
const SAMPLE = 64
/**
 * Maximum number of bytes by which a frame without a size field, as in older files, can be larger
 * than other frames.
 */
const OLDER_FORM_BYTES = 64

/**
 * Returns the position of a page among the stored pages of a snapshot. The first page has the
 * position 1. The lock page has no position.
 */
export function ordinalOf(pgno: number, pageSize: number): number {
  return pgno > lockPgno(pageSize) ? pgno - 1 : pgno
}

/** Returns the number of the page at a position. See `ordinalOf`. */
export function pageAt(ordinal: number, pageSize: number): number {
  return ordinal >= lockPgno(pageSize) ? ordinal + 1 : ordinal
}

/**
 * Those entries of a snapshot's page index that begin in one block of the page index. Each entry
 * needs about two bytes of memory.
 */
export class IndexBlock {
  /**
   * Position of the first page among the stored pages of the snapshot. `ordinalOf` returns such
   * positions.
   */
  readonly first: number
  readonly count: number
  /** Offset in the file at which the frame of the first page begins. */
  readonly offset: number
  /** Offset in the file at which the frame of the last page ends. */
  readonly end: number
  /** Whether the last entry of the page index is in this block. */
  readonly isLast: boolean
  readonly #sizes: Uint16Array | Uint32Array
  readonly #samples: Float64Array

  constructor(first: number, offset: number, sizes: Uint32Array, isLast: boolean) {
    this.first = first
    this.count = sizes.length
    this.offset = offset
    this.isLast = isLast
    this.#samples = new Float64Array(Math.ceil(sizes.length / SAMPLE))
    let [end, largest] = [offset, 0]
    for (let i = 0; i < sizes.length; i++) {
      if (i % SAMPLE === 0) this.#samples[i / SAMPLE] = end
      end += sizes[i]!
      if (sizes[i]! > largest) largest = sizes[i]!
    }
    this.end = end
    this.#sizes = largest <= 0xffff ? Uint16Array.from(sizes) : sizes.slice()
  }

  /** Number of bytes of memory that the entries use. */
  get byteLength(): number {
    return this.#sizes.byteLength + this.#samples.byteLength
  }

  has(ordinal: number): boolean {
    return ordinal >= this.first && ordinal < this.first + this.count
  }

  /** Copies the frames of all pages of this block to lists, beginning at the index `at`. */
  copyTo(offsets: Float64Array, sizes: Uint32Array, at: number): void {
    sizes.set(this.#sizes, at)
    let { offset } = this
    for (let i = 0; i < this.count; i++) {
      offsets[at + i] = offset
      offset += this.#sizes[i]!
    }
  }

  /** Returns the position of the frame of a page that is in this block. */
  find(ordinal: number): FramePosition {
    const at = ordinal - this.first
    const sample = Math.floor(at / SAMPLE)
    let offset = this.#samples[sample]!
    for (let i = sample * SAMPLE; i < at; i++) offset += this.#sizes[i]!
    return { offset, size: this.#sizes[at]! }
  }
}

/**
 * Decodes the entries that begin in the first `length` bytes of `bytes`. `bytes` begins anywhere in
 * the page index of a snapshot, and contains MAX_INDEX_ENTRY bytes after the block, or all bytes up
 * to the end of the page index. In a snapshot, each entry has the next page, and its frame begins
 * where the frame of the previous entry ends. The first byte from which all entries of the block
 * are consistent in this way is therefore the beginning of an entry. Returns undefined if no byte
 * is.
 */
export function decodeIndexBlock(bytes: Uint8Array, length: number, rules: SnapshotRules): IndexBlock | undefined {
  const entries = new EntryReader(bytes, length, rules)
  for (let start = 0; start < Math.min(MAX_INDEX_ENTRY, length); start++) {
    const block = entries.from(start)
    if (block) return block
  }
  return undefined
}

/** Reads entries from one buffer, beginning at different bytes. */
class EntryReader {
  readonly #bytes: Uint8Array
  readonly #length: number
  readonly #rules: SnapshotRules
  readonly #lock: number
  readonly #maxSize: number
  readonly #sizes: Uint32Array
  #at = 0

  constructor(bytes: Uint8Array, length: number, rules: SnapshotRules) {
    this.#bytes = bytes
    this.#length = Math.min(length, bytes.length)
    this.#rules = rules
    this.#lock = lockPgno(rules.pageSize)
    this.#maxSize = maxFrameSize(rules.pageSize) + OLDER_FORM_BYTES
    // An encoded entry has at least three bytes.
    this.#sizes = new Uint32Array(Math.ceil(this.#length / 3))
  }

  /**
   * Decodes the entries from the byte `start` on. Returns undefined at the first entry that
   * contradicts the rules.
   */
  from(start: number): IndexBlock | undefined {
    const { commit, pageSize, framesEnd } = this.#rules
    this.#at = start
    let [first, begin, count, next, end, isLast] = [0, 0, 0, 0, 0, false]
    while (this.#at < this.#length) {
      const pgno = this.#number()
      if (pgno === 0) {
        // A page number 0 may occur only at the end of the page index.
        isLast = this.#at === this.#bytes.length && next === commit + 1 && end === framesEnd
        if (!isLast) return undefined
        break
      }
      const offset = this.#number()
      const size = this.#number()
      if (count === 0) {
        if (!(pgno <= commit) || pgno === this.#lock) return undefined
        first = ordinalOf(pgno, pageSize)
        begin = offset
      } else if (pgno !== next || offset !== end) return undefined
      if (!(size > 0 && size <= this.#maxSize && offset + size <= framesEnd)) return undefined
      this.#sizes[count++] = size
      next = pgno + 1 === this.#lock && pgno < commit ? pgno + 2 : pgno + 1
      if (next > commit + 1) next = commit + 1
      end = offset + size
    }
    if (count < PROOF && !isLast) return undefined
    return count === 0 ? undefined : new IndexBlock(first, begin, this.#sizes.subarray(0, count), isLast)
  }

  /** Reads a number. Returns NaN if the number does not end in the buffer, or is too large. */
  #number(): number {
    const bytes = this.#bytes
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      const byte = bytes[this.#at++]
      if (byte === undefined) return Number.NaN
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    return Number.NaN
  }
}
