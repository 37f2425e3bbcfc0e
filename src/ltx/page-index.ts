import { native } from '../native/addon.js'
import { corrupt } from './corrupt.js'
import { HEADER_SIZE, INDEX_LENGTH_SIZE } from './format.js'

/** Where the frames of a file lie, in ascending page number. */
export interface PageIndex {
  readonly count: number
  readonly pgnos: Uint32Array
  /** Absolute offset of the frame in the file, bytes. */
  readonly offsets: Float64Array
  /** Bytes of the whole frame: header, size field and payload. */
  readonly sizes: Uint32Array
}

/** Bytes that `n` takes as a uvarint: 7 bits a byte, low bits first. */
function uvarintSize(n: number): number {
  let size = 1
  for (let rest = n; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
  return size
}

function putUvarint(bytes: Uint8Array, at: number, n: number): number {
  let rest = n
  let i = at
  // Above 32 bits the shift operators would cut the number.
  for (; rest > 0xffffffff; rest = Math.floor(rest / 0x80)) bytes[i++] = (rest % 0x80) | 0x80
  for (; rest >= 0x80; rest >>>= 7) bytes[i++] = (rest & 0x7f) | 0x80
  bytes[i++] = rest
  return i
}

/** The index as it stands in a file, with the 0 that ends it and its length field. */
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

/** Slots of the state that the addon keeps between the pieces of an index; see native/napi/page_index_napi.cc. */
const FAULT = 0
const AT = 1
const ENTRY = 2
const VALUE = 3
const PGNO = 4
const OFFSET = 5
const ENDED = 6
const COUNT = 7
const FILE_OFFSET = 8
const END = 11
const SLOTS = 12

/** IndexFault of native/ltx/page_index.h; the last is a frame that no page can need, or that lies where a page map cannot point to. */
const NONE = 0
const ENDS_EARLY = 1
const NUMBER_TOO_LARGE = 2
const PAGE_ORDER = 3
const OUTSIDE_BLOCK = 4

/** Where the frames of an index are entered. */
export interface PageMapTarget {
  /** Ordinal of the file; goes beside each place. */
  readonly file: number
  /** Pages of the database: what lies beyond them is left out. */
  readonly commit: number
  /** The bytes of a chunk of the map, to be written. */
  own(chunk: number): ArrayBuffer
}

/** What an index brought, or a part of it. */
export interface MappedFrames {
  /** Page number, offset and size of each frame that lies in one of the pieces. */
  readonly came: Float64Array
  /** All page numbers, if they were asked for. */
  readonly pgnos: Uint32Array
}

/**
 * Reads an index that comes in pieces of any size: an index takes nine bytes a page and more once decoded, which nobody should have
 * to hold at once. Throws LTX_CORRUPT unless page numbers and offsets ascend and every frame lies between the header and the index.
 */
export class PageIndexReader {
  readonly #file: string
  readonly #state: Float64Array

  /** `fileOffset`: where the index begins in the file. */
  constructor(file: string, fileOffset: number) {
    this.#file = file
    this.#state = new Float64Array(SLOTS)
    this.#state[FILE_OFFSET] = fileOffset
    this.#state[END] = HEADER_SIZE
  }

  /** Entries read so far. */
  get count(): number {
    return this.#state[COUNT]!
  }

  /** Enters frames into a page map. `pieces`: where each part of the file that is here begins and ends, in turn. `collect`: the page numbers are wanted. */
  map(bytes: Uint8Array, target: PageMapTarget, pieces: Float64Array, collect: boolean): MappedFrames {
    const { file, commit, own } = target
    const [came, pgnos] = native.mapPageIndex(this.#state, bytes, file, commit, own, pieces, collect)
    this.#check()
    return { came, pgnos }
  }

  /** The entries that end in `bytes`, as arrays. */
  decode(bytes: Uint8Array): PageIndex {
    const [pgnos, offsets, sizes] = native.decodePageIndex(this.#state, bytes)
    this.#check()
    return { count: pgnos.length, pgnos, offsets, sizes }
  }

  /** Nothing more comes: the index must be whole. */
  end(): void {
    if (this.#state[ENDED] === 0) throw this.#corrupt('the page index ends inside an entry', this.#state[AT]!)
  }

  #check(): void {
    const state = this.#state
    const fault = state[FAULT]
    if (fault === NONE) return
    const [at, entry, value, pgno, offset] = [state[AT]!, state[ENTRY]!, state[VALUE]!, state[PGNO]!, state[OFFSET]!]
    switch (fault) {
      case ENDS_EARLY:
        throw this.#corrupt('the page index ends before its length', at)
      case NUMBER_TOO_LARGE:
        throw this.#corrupt('a number in the page index is too large', at)
      case PAGE_ORDER:
        throw this.#corrupt(`page ${value} follows page ${pgno} in the page index`, entry)
      case OUTSIDE_BLOCK: {
        const what = `the page index puts a frame of ${value} bytes at ${offset}, outside the page block`
        throw this.#corrupt(what, entry, pgno)
      }
      default:
        throw this.#corrupt(`the page index has an impossible frame of ${value} bytes at ${offset}`, entry, pgno)
    }
  }

  #corrupt(what: string, at: number, pgno?: number) {
    return corrupt(what, this.#file, this.#state[FILE_OFFSET]! + at, pgno)
  }
}

/**
 * Reads an index: `bytes` are exactly its bytes without the length field, `fileOffset` is where they begin in `file`. Throws
 * LTX_CORRUPT like PageIndexReader.
 */
export function decodePageIndex(bytes: Uint8Array, file: string, fileOffset: number): PageIndex {
  const reader = new PageIndexReader(file, fileOffset)
  const index = reader.decode(bytes)
  reader.end()
  return index
}
