import type { LitestreamError } from '../errors.js'
import { native } from '../native/addon.js'
import { corrupt } from './corrupt.js'
import { HEADER_SIZE, INDEX_LENGTH_SIZE, PAGE_HEADER_SIZE } from './format.js'
import type { LtxHeader } from './header.js'

/** The positions of the frames of an LTX file, in ascending order of page numbers. */
export interface PageIndex {
  /** Number of pages. */
  readonly count: number
  /** Page numbers in ascending order. */
  readonly pgnos: Uint32Array
  /** Offset of each frame from the beginning of the file, in bytes. */
  readonly offsets: Float64Array
  /** Size of each frame in bytes, including the page header and the size field. */
  readonly sizes: Uint32Array
}

/**
 * Returns the number of bytes of `n` as a uvarint. A uvarint has 7 bits per byte, and the low bits
 * come first.
 */
function uvarintSize(n: number): number {
  let size = 1
  for (let rest = n; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
  return size
}

function putUvarint(bytes: Uint8Array, at: number, n: number): number {
  let rest = n
  let i = at
  // JavaScript's shift operators truncate numbers to 32 bits, so the loop divides instead.
  for (; rest > 0xffffffff; rest = Math.floor(rest / 0x80)) bytes[i++] = (rest % 0x80) | 0x80
  for (; rest >= 0x80; rest >>>= 7) bytes[i++] = (rest & 0x7f) | 0x80
  bytes[i++] = rest
  return i
}

/**
 * Encodes a page index as an LTX file stores it, with the entries, a byte 0, and the length field.
 */
export function encodePageIndex(index: PageIndex): Uint8Array {
  let size = 1
  for (let i = 0; i < index.count; i++) {
    size += uvarintSize(index.pgnos[i]!) + uvarintSize(index.offsets[i]!) + uvarintSize(index.sizes[i]!)
  }
  const bytes = new Uint8Array(size + INDEX_LENGTH_SIZE)
  let at = 0
  for (let i = 0; i < index.count; i++) {
    at = putUvarint(bytes, at, index.pgnos[i]!)
    at = putUvarint(bytes, at, index.offsets[i]!)
    at = putUvarint(bytes, at, index.sizes[i]!)
  }
  new DataView(bytes.buffer).setBigUint64(size, BigInt(size))
  return bytes
}

/**
 * Limits that the entries of a page index must respect. The limits come from the header of the file
 * and from earlier files.
 */
export interface IndexRules {
  readonly pageSize: number
  /** Size of the database in pages. */
  readonly commit: number
  /**
   * The file must contain every page of the database with a number above `completeFrom`. The value
   * 0 means that the file must contain the whole database.
   */
  readonly completeFrom: number
}

/**
 * Returns the limits for the page index of a file with this header. `peak` is the largest size in
 * pages that the database had before this file, if known. Pages with numbers above `peak` can only
 * be in this file.
 */
export function indexRules({ pageSize, commit, minTxid }: LtxHeader, peak = commit): IndexRules {
  return { pageSize, commit, completeFrom: minTxid === 1 ? 0 : peak }
}

/** A page map to which the frames of a page index are added. */
export interface PageMapTarget {
  /**
   * Number of the file in the page map. The page map stores the number of the file with each
   * position.
   */
  readonly file: number
  /** The largest size in pages that the database had before the file is applied. */
  readonly peak: number
  /** Returns the writable memory of a chunk of the page map. */
  own(chunk: number): ArrayBuffer
}

/** The result of adding a page index, or a part of it, to a page map. */
export interface MappedFrames {
  /** Page number, offset and size of each frame inside one of the byte ranges in `pieces`. */
  readonly frames: Float64Array
  /** All page numbers, if the caller has set `collect`. */
  readonly pgnos: Uint32Array
}

/**
 * Decodes a page index in parts of any size. The page index is decoded in parts, because a decoded
 * page index needs at least nine bytes per page and may not fit into memory. Throws LTX_CORRUPT if
 * the page index contradicts the header or the page block. Page numbers must ascend and must not
 * exceed the database size in pages. The frames must fill the page block without a gap. Pages that
 * only this file can contain must not be missing.
 */
export class PageIndexReader {
  readonly #file: string
  readonly #rules: IndexRules
  readonly #state: Float64Array

  /** `fileOffset` is the offset of the page index in the file. */
  constructor(file: string, fileOffset: number, rules: IndexRules) {
    this.#file = file
    this.#rules = rules
    const { index } = native.constants
    this.#state = new Float64Array(index.slots)
    this.#state[index.fileOffset] = fileOffset
    this.#state[index.end] = HEADER_SIZE
    this.#state[index.pageSize] = rules.pageSize
    this.#state[index.commit] = rules.commit
    this.#state[index.completeFrom] = rules.completeFrom
  }

  /** Number of entries that were already decoded. */
  get count(): number {
    return this.#state[native.constants.index.count]!
  }

  /**
   * Adds the frames of the entries that end in `bytes` to a page map. `pieces` contains the start
   * and the end offset of each byte range that was read. If `collect` is true, also returns the
   * page numbers.
   */
  map(
    bytes: Uint8Array,
    { file, own }: Pick<PageMapTarget, 'file' | 'own'>,
    pieces: Float64Array,
    collect: boolean,
  ): MappedFrames {
    const [frames, pgnos] = native.mapPageIndex(this.#state, bytes, file, own, pieces, collect)
    this.#check()
    return { frames, pgnos }
  }

  /** Decodes the entries that end in `bytes`, and returns them as arrays. */
  decode(bytes: Uint8Array): PageIndex {
    const [pgnos, offsets, sizes] = native.decodePageIndex(this.#state, bytes)
    this.#check()
    return { count: pgnos.length, pgnos, offsets, sizes }
  }

  /**
   * Checks that the page index is complete. The caller must call end() after all bytes were
   * decoded.
   */
  end(): void {
    native.endPageIndex(this.#state)
    this.#check()
  }

  #check(): void {
    const { index, indexFault } = native.constants
    const state = this.#state
    const fault = state[index.fault]
    if (fault === indexFault.none) return
    const read = (slot: number) => state[slot]!
    const [at, entry, value] = [read(index.at), read(index.entry), read(index.value)]
    const [pgno, offset] = [read(index.pgno), read(index.offset)]
    const frame = `a frame of ${value} bytes at ${offset}`
    switch (fault) {
      case indexFault.endsEarly:
        throw this.#corrupt('the page index is shorter than its length field says', at)
      case indexFault.numberTooLarge:
        throw this.#corrupt('a number in the page index is too large', at)
      case indexFault.pageOrder:
        throw this.#corrupt(`page ${value} follows page ${pgno} in the page index`, entry)
      case indexFault.outsideBlock:
        throw this.#corrupt(`the page index has ${frame}, outside the page block`, entry, pgno)
      case indexFault.notContiguous:
        throw this.#corrupt(
          `the page index has ${frame}, but the frame before it ends at ${read(index.end)}`,
          entry,
          pgno,
        )
      case indexFault.frameSize:
        throw this.#corrupt(
          `the page index has ${frame}, which is impossible with pages of ${this.#rules.pageSize} bytes`,
          entry,
          pgno,
        )
      case indexFault.beyondCommit:
        throw this.#corrupt(`the page index has a page beyond the database of ${this.#rules.commit} pages`, entry, pgno)
      case indexFault.lockPage:
        throw this.#corrupt('the page index has the lock page', entry, pgno)
      case indexFault.missing:
        throw missingPage(this.#file, value, this.#rules, read(index.fileOffset) + entry)
      case indexFault.unlisted: {
        const end = read(index.fileOffset) - PAGE_HEADER_SIZE
        throw this.#corrupt(
          `the last frame of the page index ends before ${value}, but the page block ends at ${end}`,
          at,
        )
      }
      case indexFault.endsBefore:
        throw this.#corrupt('the page index ends inside an entry', at)
      default:
        throw this.#corrupt(`the page index has ${frame}, whose offset is too large`, entry, pgno)
    }
  }

  #corrupt(what: string, at: number, pgno?: number) {
    return corrupt(what, this.#file, this.#state[native.constants.index.fileOffset]! + at, pgno)
  }
}

/** Returns the error for a missing page that only `file` can contain. */
export function missingPage(
  file: string,
  pgno: number,
  { commit, completeFrom }: Pick<IndexRules, 'commit' | 'completeFrom'>,
  offset: number,
): LitestreamError {
  const why =
    completeFrom === 0 ? 'this file must hold all pages' : `the database had at most ${completeFrom} pages before`
  return corrupt(`page ${pgno} is missing: the database has ${commit} pages, and ${why}`, file, offset, pgno)
}

/**
 * Decodes a whole page index. `bytes` contains the page index without its length field.
 * `fileOffset` is the offset of the page index in `file`. Throws LTX_CORRUPT under the same
 * conditions as PageIndexReader.
 */
export function decodePageIndex(bytes: Uint8Array, file: string, fileOffset: number, rules: IndexRules): PageIndex {
  const reader = new PageIndexReader(file, fileOffset, rules)
  const index = reader.decode(bytes)
  reader.end()
  return index
}
