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

/** One frame of an index: page number, offset in the file, bytes. */
export type VisitFrame = (pgno: number, offset: number, size: number) => void

/**
 * Reads an index that comes in pieces of any size: an index takes nine bytes a page and more once decoded, which nobody should have
 * to hold at once. Throws LTX_CORRUPT unless page numbers and offsets ascend and every frame lies between the header and the index.
 */
export class PageIndexReader {
  readonly #file: string
  /** Where the index begins in the file. */
  readonly #fileOffset: number
  readonly #visit: VisitFrame
  /** Bytes read, and where the entry under way began. */
  #at = 0
  #entry = 0
  #value = 0
  #scale = 1
  /** 0: page number, 1: offset, 2: size. */
  #field = 0
  #pgno = 0
  #offset = 0
  #end = HEADER_SIZE
  #ended = false

  constructor(file: string, fileOffset: number, visit: VisitFrame) {
    this.#file = file
    this.#fileOffset = fileOffset
    this.#visit = visit
  }

  push(bytes: Uint8Array): void {
    // In local variables: the first index that a process reads is read by code that nothing has optimized yet.
    let value = this.#value
    let scale = this.#scale
    let field = this.#field
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!
      if (this.#ended) throw this.#corrupt('the page index ends before its length', this.#at + i)
      value += (byte & 0x7f) * scale
      if (byte >= 0x80) {
        scale *= 0x80
        if (scale > 2 ** 49) throw this.#corrupt('a number in the page index is too large', this.#at + i + 1)
        continue
      }
      if (field === 0) {
        if (value === 0) this.#ended = true
        else this.#page(value)
        field = value === 0 ? 0 : 1
      } else if (field === 1) {
        this.#offset = value
        field = 2
      } else {
        this.#frame(value)
        field = 0
        this.#entry = this.#at + i + 1
      }
      value = 0
      scale = 1
    }
    this.#at += bytes.length
    this.#value = value
    this.#scale = scale
    this.#field = field
  }

  /** Nothing more comes: the index must be whole. */
  end(): void {
    if (!this.#ended) throw this.#corrupt('the page index ends inside an entry', this.#at)
  }

  #page(pgno: number): void {
    if (pgno <= this.#pgno || pgno > 0xffffffff) {
      throw this.#corrupt(`page ${pgno} follows page ${this.#pgno} in the page index`, this.#entry)
    }
    this.#pgno = pgno
  }

  #frame(size: number): void {
    const offset = this.#offset
    if (offset < this.#end || size < 1 || size > 0xffffffff || offset + size > this.#fileOffset) {
      const what = `the page index puts a frame of ${size} bytes at ${offset}, outside the page block`
      throw corrupt(what, this.#file, this.#fileOffset + this.#entry, this.#pgno)
    }
    this.#end = offset + size
    this.#visit(this.#pgno, offset, size)
  }

  #corrupt(what: string, at: number) {
    return corrupt(what, this.#file, this.#fileOffset + at)
  }
}

/**
 * Reads an index: `bytes` are exactly its bytes without the length field, `fileOffset` is where they begin in `file`. Throws
 * LTX_CORRUPT like PageIndexReader.
 */
export function decodePageIndex(bytes: Uint8Array, file: string, fileOffset: number): PageIndex {
  // Every number ends with the one byte of it whose high bit is clear: three of these make an entry.
  let ends = 0
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! < 0x80) ends++
  const capacity = Math.ceil(ends / 3)
  const pgnos = new Uint32Array(capacity)
  const offsets = new Float64Array(capacity)
  const sizes = new Uint32Array(capacity)
  let count = 0
  const reader = new PageIndexReader(file, fileOffset, (pgno, offset, size) => {
    pgnos[count] = pgno
    offsets[count] = offset
    sizes[count++] = size
  })
  reader.push(bytes)
  reader.end()
  return {
    count,
    pgnos: pgnos.subarray(0, count),
    offsets: offsets.subarray(0, count),
    sizes: sizes.subarray(0, count),
  }
}
