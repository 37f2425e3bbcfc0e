import type { LitestreamError } from '../errors.js'
import { native } from '../native/addon.js'
import { corrupt } from './corrupt.js'
import { HEADER_SIZE, INDEX_LENGTH_SIZE, PAGE_HEADER_SIZE } from './format.js'
import type { LtxHeader } from './header.js'

/** The positions of a file's frames, in ascending page number. */
export interface PageIndex {
  /** Number of pages. */
  readonly count: number
  /** Page numbers, ascending. */
  readonly pgnos: Uint32Array
  /** Absolute offset of the frame in the file, bytes. */
  readonly offsets: Float64Array
  /** Size of the whole frame in bytes: header, size field and payload. */
  readonly sizes: Uint32Array
}

/** Size of `n` as a uvarint, in bytes: 7 bits per byte, low bits first. */
function uvarintSize(n: number): number {
  let size = 1
  for (let rest = n; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
  return size
}

function putUvarint(bytes: Uint8Array, at: number, n: number): number {
  let rest = n
  let i = at
  // The shift operators would truncate numbers above 32 bits.
  for (; rest > 0xffffffff; rest = Math.floor(rest / 0x80)) bytes[i++] = (rest % 0x80) | 0x80
  for (; rest >= 0x80; rest >>>= 7) bytes[i++] = (rest & 0x7f) | 0x80
  bytes[i++] = rest
  return i
}

/** Encodes an index as it is stored in a file, with its final 0 and its length field. */
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
 * Elements of the state that the addon keeps between the pieces of an index; see
 * native/napi/page_index_napi.cc.
 */
const FAULT = 0
const AT = 1
const ENTRY = 2
const VALUE = 3
const PGNO = 4
const OFFSET = 5
const COUNT = 7
const FILE_OFFSET = 8
const END = 11
const PAGE_SIZE = 12
const COMMIT = 13
const COMPLETE_FROM = 14
const SLOTS = 15

/**
 * IndexFault of native/ltx/page_index.h; the last one is a frame whose position a page map cannot
 * represent.
 */
const NONE = 0
const ENDS_EARLY = 1
const NUMBER_TOO_LARGE = 2
const PAGE_ORDER = 3
const OUTSIDE_BLOCK = 4
const NOT_CONTIGUOUS = 5
const FRAME_SIZE = 6
const BEYOND_COMMIT = 7
const LOCK_PAGE = 8
const MISSING = 9
const UNLISTED = 10
const ENDS_BEFORE = 11

/** Limits of the page index, from the header of the file and from the files before it. */
export interface IndexRules {
  readonly pageSize: number
  /** Size of the database in pages. */
  readonly commit: number
  /**
   * The file must contain every page after this one, up to the commit. 0 in a file that holds the
   * whole database.
   */
  readonly completeFrom: number
}

/**
 * The rules for the index of a file with this header. `peak`: the largest size in pages that the
 * database had before the file, if known: only this file can contain the pages beyond it.
 */
export function indexRules({ pageSize, commit, minTxid }: LtxHeader, peak = commit): IndexRules {
  return { pageSize, commit, completeFrom: minTxid === 1 ? 0 : peak }
}

/** A page map into which the frames of an index are entered. */
export interface PageMapTarget {
  /** Ordinal of the file, stored with each position. */
  readonly file: number
  /** The largest size in pages that the database had before the file. */
  readonly peak: number
  /** Returns the writable bytes of a chunk of the map. */
  own(chunk: number): ArrayBuffer
}

/** The result of entering an index, or a part of it. */
export interface MappedFrames {
  /** Page number, offset and size of each frame inside one of the pieces. */
  readonly came: Float64Array
  /** All page numbers, if they were requested. */
  readonly pgnos: Uint32Array
}

/**
 * Reads an index in pieces of any size: a decoded index takes nine bytes per page and more, too
 * much to hold completely. Throws LTX_CORRUPT unless the index matches the header and the page
 * block: page numbers ascend within the database, the frames fill the block without a hole, and no
 * page is missing that only this file can have.
 */
export class PageIndexReader {
  readonly #file: string
  readonly #rules: IndexRules
  readonly #state: Float64Array

  /** `fileOffset`: offset of the index in the file. */
  constructor(file: string, fileOffset: number, rules: IndexRules) {
    this.#file = file
    this.#rules = rules
    this.#state = new Float64Array(SLOTS)
    this.#state[FILE_OFFSET] = fileOffset
    this.#state[END] = HEADER_SIZE
    this.#state[PAGE_SIZE] = rules.pageSize
    this.#state[COMMIT] = rules.commit
    this.#state[COMPLETE_FROM] = rules.completeFrom
  }

  /** Entries read so far. */
  get count(): number {
    return this.#state[COUNT]!
  }

  /**
   * Enters frames into a page map. `pieces`: begin and end of each byte range that was read,
   * alternating. `collect`: return the page numbers.
   */
  map(
    bytes: Uint8Array,
    { file, own }: Pick<PageMapTarget, 'file' | 'own'>,
    pieces: Float64Array,
    collect: boolean,
  ): MappedFrames {
    const [came, pgnos] = native.mapPageIndex(this.#state, bytes, file, own, pieces, collect)
    this.#check()
    return { came, pgnos }
  }

  /** Decodes the entries that end in `bytes` into arrays. */
  decode(bytes: Uint8Array): PageIndex {
    const [pgnos, offsets, sizes] = native.decodePageIndex(this.#state, bytes)
    this.#check()
    return { count: pgnos.length, pgnos, offsets, sizes }
  }

  /** Checks that the index is complete, after all of its bytes were read. */
  end(): void {
    native.endPageIndex(this.#state)
    this.#check()
  }

  #check(): void {
    const state = this.#state
    const fault = state[FAULT]
    if (fault === NONE) return
    const [at, entry, value, pgno, offset] = [state[AT]!, state[ENTRY]!, state[VALUE]!, state[PGNO]!, state[OFFSET]!]
    const frame = `a frame of ${value} bytes at ${offset}`
    switch (fault) {
      case ENDS_EARLY:
        throw this.#corrupt('the page index is shorter than its length field says', at)
      case NUMBER_TOO_LARGE:
        throw this.#corrupt('a number in the page index is too large', at)
      case PAGE_ORDER:
        throw this.#corrupt(`page ${value} follows page ${pgno} in the page index`, entry)
      case OUTSIDE_BLOCK:
        throw this.#corrupt(`the page index has ${frame}, outside the page block`, entry, pgno)
      case NOT_CONTIGUOUS:
        throw this.#corrupt(`the page index has ${frame}, but the frame before it ends at ${state[END]}`, entry, pgno)
      case FRAME_SIZE:
        throw this.#corrupt(
          `the page index has ${frame}, which is impossible with pages of ${this.#rules.pageSize} bytes`,
          entry,
          pgno,
        )
      case BEYOND_COMMIT:
        throw this.#corrupt(`the page index has a page beyond the database of ${this.#rules.commit} pages`, entry, pgno)
      case LOCK_PAGE:
        throw this.#corrupt('the page index has the lock page', entry, pgno)
      case MISSING:
        throw missingPage(this.#file, value, this.#rules, state[FILE_OFFSET]! + entry)
      case UNLISTED: {
        const end = state[FILE_OFFSET]! - PAGE_HEADER_SIZE
        throw this.#corrupt(
          `the last frame of the page index ends before ${value}, but the page block ends at ${end}`,
          at,
        )
      }
      case ENDS_BEFORE:
        throw this.#corrupt('the page index ends inside an entry', at)
      default:
        throw this.#corrupt(`the page index has ${frame}, whose offset is too large`, entry, pgno)
    }
  }

  #corrupt(what: string, at: number, pgno?: number) {
    return corrupt(what, this.#file, this.#state[FILE_OFFSET]! + at, pgno)
  }
}

/** The error for a page that is missing in `file` although only this file can have it. */
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
 * Decodes a whole index. `bytes`: the index without its length field; `fileOffset`: its offset in
 * `file`. Throws LTX_CORRUPT like PageIndexReader.
 */
export function decodePageIndex(bytes: Uint8Array, file: string, fileOffset: number, rules: IndexRules): PageIndex {
  const reader = new PageIndexReader(file, fileOffset, rules)
  const index = reader.decode(bytes)
  reader.end()
  return index
}
