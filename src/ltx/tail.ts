import { corrupt } from './corrupt.js'
import {
  CHECKSUM_FLAG,
  FLAG_NO_CHECKSUM,
  HEADER_SIZE,
  INDEX_LENGTH_SIZE,
  PAGE_HEADER_SIZE,
  TRAILER_SIZE,
} from './format.js'
import type { LtxHeader } from './header.js'
import { decodePageIndex, indexRules, type PageIndex } from './page-index.js'

/** The two checksums at the end of a file. */
export interface LtxChecksums {
  /** Database checksum after the file is applied, or 0 in a file without database checksums. */
  readonly postApplyChecksum: bigint
  /** Checksum of the file's content. */
  readonly fileChecksum: bigint
}

/** The end of a file, decoded from its last bytes. */
export interface LtxTail extends LtxChecksums {
  /** Offset of the page index in the file. */
  readonly indexOffset: number
  /** Size of the page index in bytes, without its length field. */
  readonly indexSize: number
  /**
   * The decoded page index. `index` is undefined if the given bytes do not contain the whole page
   * index, and the caller must then read `indexSize` bytes at `indexOffset`.
   */
  readonly index?: PageIndex
}

/** The fields of LtxTail except the decoded page index. */
export type LtxTailPlaces = Omit<LtxTail, 'index'>

/**
 * Size in bytes of the smallest valid file, which consists of a header, the end of the page block,
 * an empty page index and a trailer.
 */
export const MIN_FILE_SIZE: number = HEADER_SIZE + PAGE_HEADER_SIZE + 1 + INDEX_LENGTH_SIZE + TRAILER_SIZE

/**
 * Decodes the last bytes of a file. `bytes` must contain at least 24 bytes, and `fileSize` is the
 * size of the file. Throws LTX_CORRUPT if the last bytes of the file are invalid.
 */
export function parseTail(bytes: Uint8Array, fileSize: number, header: LtxHeader, file: string): LtxTail {
  const tail = parseTailPlaces(bytes, fileSize, header, file)
  const { indexOffset, indexSize } = tail
  const start = bytes.length - (fileSize - indexOffset)
  if (start < 0) return tail
  const index = decodePageIndex(bytes.subarray(start, start + indexSize), file, indexOffset, indexRules(header))
  return { ...tail, index }
}

/**
 * Decodes the position of the page index, and the checksums, from the last bytes of a file. Throws
 * LTX_CORRUPT if the last bytes of the file are invalid.
 */
export function parseTailPlaces(bytes: Uint8Array, fileSize: number, header: LtxHeader, file: string): LtxTailPlaces {
  if (fileSize < MIN_FILE_SIZE || bytes.length < INDEX_LENGTH_SIZE + TRAILER_SIZE) {
    throw corrupt(`the file has only ${fileSize} bytes; the smallest LTX file has ${MIN_FILE_SIZE}`, file, fileSize)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const lengthAt = fileSize - TRAILER_SIZE - INDEX_LENGTH_SIZE
  const stored = view.getBigUint64(bytes.length - TRAILER_SIZE - INDEX_LENGTH_SIZE)
  const indexSize = Number(stored)
  const indexOffset = lengthAt - indexSize
  if (indexSize < 1 || indexOffset < HEADER_SIZE + PAGE_HEADER_SIZE) {
    throw corrupt(`impossible page index length ${stored} in a file of ${fileSize} bytes`, file, lengthAt)
  }
  const checksums = readChecksums(bytes.subarray(bytes.length - TRAILER_SIZE), fileSize, header, file)
  return { indexOffset, indexSize, ...checksums }
}

/**
 * Decodes the trailer, which is the last 16 bytes of a file, and compares it with the header.
 * Throws LTX_CORRUPT if the trailer contradicts the header.
 */
export function readChecksums(trailer: Uint8Array, fileSize: number, header: LtxHeader, file: string): LtxChecksums {
  const view = new DataView(trailer.buffer, trailer.byteOffset, TRAILER_SIZE)
  const [postApplyChecksum, fileChecksum] = [view.getBigUint64(0), view.getBigUint64(8)]
  const without = (header.flags & FLAG_NO_CHECKSUM) !== 0
  if (without ? postApplyChecksum !== 0n : (postApplyChecksum & CHECKSUM_FLAG) === 0n) {
    const what = `post-apply checksum ${postApplyChecksum.toString(16)} does not match the flags ${header.flags}`
    throw corrupt(what, file, fileSize - TRAILER_SIZE)
  }
  if ((fileChecksum & CHECKSUM_FLAG) === 0n) {
    throw corrupt(`impossible file checksum ${fileChecksum.toString(16)}`, file, fileSize - 8)
  }
  return { postApplyChecksum, fileChecksum }
}

/**
 * Compares the file checksum in the trailer with `crc`, the CRC of all bytes before the file
 * checksum. Throws LTX_CORRUPT if the two differ.
 */
export function compareFileChecksum({ fileChecksum }: LtxChecksums, crc: bigint, fileSize: number, file: string): void {
  const computed = crc | CHECKSUM_FLAG
  if (fileChecksum === computed) return
  const what = `the file checksum is ${fileChecksum.toString(16)}, but the bytes have ${computed.toString(16)}`
  throw corrupt(what, file, fileSize - 8)
}
