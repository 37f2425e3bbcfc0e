import { corrupt } from './corrupt.js'
import { HEADER_SIZE, INDEX_LENGTH_SIZE, PAGE_HEADER_SIZE, TRAILER_SIZE } from './format.js'
import { decodePageIndex, type PageIndex } from './page-index.js'

/** What the end of a file says, found with one read of its last bytes. */
export interface LtxTail {
  /** Where the page index begins in the file. */
  readonly indexOffset: number
  /** Bytes of the index without its length field. */
  readonly indexSize: number
  readonly postApplyChecksum: bigint
  readonly fileChecksum: bigint
  /** Present when the bytes given held all of it; else read `indexSize` bytes at `indexOffset`. */
  readonly index?: PageIndex
}

/** The same without decoding the index. */
export type LtxTailPlaces = Omit<LtxTail, 'index'>

/** The smallest valid file: header, end of the page block, an empty index, trailer. */
export const MIN_FILE_SIZE: number = HEADER_SIZE + PAGE_HEADER_SIZE + 1 + INDEX_LENGTH_SIZE + TRAILER_SIZE

/** Reads the last bytes of a file of `fileSize` bytes; at least 24 of them. Throws LTX_CORRUPT. */
export function parseTail(bytes: Uint8Array, fileSize: number, file: string): LtxTail {
  const tail = parseTailPlaces(bytes, fileSize, file)
  const { indexOffset, indexSize } = tail
  const start = bytes.length - (fileSize - indexOffset)
  if (start < 0) return tail
  return { ...tail, index: decodePageIndex(bytes.subarray(start, start + indexSize), file, indexOffset) }
}

/** Where the index is, and the checksums. Throws LTX_CORRUPT. */
export function parseTailPlaces(bytes: Uint8Array, fileSize: number, file: string): LtxTailPlaces {
  if (fileSize < MIN_FILE_SIZE || bytes.length < INDEX_LENGTH_SIZE + TRAILER_SIZE) {
    throw corrupt(`the file has only ${fileSize} bytes; the smallest LTX file has ${MIN_FILE_SIZE}`, file, fileSize)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const lengthAt = fileSize - TRAILER_SIZE - INDEX_LENGTH_SIZE
  const indexSize = Number(view.getBigUint64(bytes.length - TRAILER_SIZE - INDEX_LENGTH_SIZE))
  const indexOffset = lengthAt - indexSize
  if (indexSize < 1 || indexOffset < HEADER_SIZE + PAGE_HEADER_SIZE) {
    throw corrupt(`impossible page index length ${indexSize} in a file of ${fileSize} bytes`, file, lengthAt)
  }
  return {
    indexOffset,
    indexSize,
    postApplyChecksum: view.getBigUint64(bytes.length - TRAILER_SIZE),
    fileChecksum: view.getBigUint64(bytes.length - TRAILER_SIZE + 8),
  }
}
