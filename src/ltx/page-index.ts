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

/**
 * Reads an index: `bytes` are exactly its bytes without the length field, `fileOffset` is where they begin in `file`. Throws
 * LTX_CORRUPT unless page numbers and offsets ascend and every frame lies between the header and the index.
 */
export function decodePageIndex(bytes: Uint8Array, file: string, fileOffset: number): PageIndex {
  // Every number ends with the one byte of it whose high bit is clear: three of these make an entry.
  let ends = 0
  for (let i = 0; i < bytes.length; i++) if (bytes[i] < 0x80) ends++
  const capacity = Math.ceil(ends / 3)
  const pgnos = new Uint32Array(capacity)
  const offsets = new Float64Array(capacity)
  const sizes = new Uint32Array(capacity)
  let at = 0
  const uvarint = (): number => {
    let value = 0
    let scale = 1
    for (;;) {
      if (at >= bytes.length) throw corrupt('the page index ends inside an entry', file, fileOffset + at)
      const byte = bytes[at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) break
      scale *= 0x80
      if (scale > 2 ** 49) throw corrupt('a number in the page index is too large', file, fileOffset + at)
    }
    return value
  }
  let count = 0
  let pgno = 0
  let end = HEADER_SIZE
  for (;;) {
    const entry = fileOffset + at
    const next = uvarint()
    if (next === 0) break
    if (next <= pgno || next > 0xffffffff)
      throw corrupt(`page ${next} follows page ${pgno} in the page index`, file, entry)
    const offset = uvarint()
    const size = uvarint()
    if (offset < end || size < 1 || size > 0xffffffff || offset + size > fileOffset) {
      throw corrupt(
        `the page index puts a frame of ${size} bytes at ${offset}, outside the page block`,
        file,
        entry,
        next,
      )
    }
    pgno = next
    end = offset + size
    pgnos[count] = pgno
    offsets[count] = offset
    sizes[count] = size
    count++
  }
  if (at !== bytes.length) throw corrupt('the page index ends before its length', file, fileOffset + at)
  return {
    count,
    pgnos: pgnos.subarray(0, count),
    offsets: offsets.subarray(0, count),
    sizes: sizes.subarray(0, count),
  }
}
