import { corrupt } from '../ltx/corrupt.js'
import { fileLabel } from '../ltx/file-label.js'
import { HEADER_SIZE, INDEX_LENGTH_SIZE, PAGE_HEADER_SIZE, TRAILER_SIZE } from '../ltx/format.js'
import { decodeHeader, type LtxHeader } from '../ltx/header.js'
import { decodePageIndex, indexRules, type PageIndex } from '../ltx/page-index.js'
import { parseTail } from '../ltx/tail.js'
import { native } from '../native/addon.js'
import type { LtxFileInfo, RequestOptions } from '../storage/replica-client.js'
import { checkListed, checkNotCut, checkSize } from './file-check.js'
import { denseFrom } from './plan-check.js'
import type { FileReader } from './remote-index.js'

/** The header and the decoded page index of a file in a replica. */
export interface FileLayout {
  readonly file: LtxFileInfo
  /** The name of the file in messages. */
  readonly label: string
  readonly header: LtxHeader
  readonly index: PageIndex
  readonly postApplyChecksum: bigint
  /** The file contains every page of the database with a number above `denseFrom`. */
  readonly denseFrom: number
  /** Current size of the file in bytes. */
  readonly size: number
  /**
   * The content of the file, or undefined if the file was too large to be read with one request.
   */
  readonly bytes?: Uint8Array
  /**
   * The CRC of the part of the file before the page frames, and the CRC of the part after the page
   * frames.
   */
  readonly sums: LayoutSums
}

/**
 * The CRC of the part of a file before the page frames, and the CRC of the part after the page
 * frames. The file checksum can be calculated from these CRCs and the CRC of the frames.
 */
export interface LayoutSums {
  /** CRC of the header. */
  readonly header: bigint
  /**
   * CRC of the bytes after the last frame, without the file checksum. `endLength` is the number of
   * bytes that the CRC `end` covers.
   */
  readonly end: bigint
  readonly endLength: number
  readonly fileChecksum: bigint
}

/**
 * Number of bytes that are read from the end of a file. A file that is smaller than TAIL_SIZE is
 * read completely. The end of a larger file usually contains the whole page index.
 */
const TAIL_SIZE = 256 * 1024

const FILE_CHECKSUM_SIZE = 8

/**
 * Reads the positions of all pages in a file. Needs one request for a small file, and two or three
 * requests for a large file. Throws LTX_CORRUPT.
 */
export async function readLayout(
  client: FileReader,
  file: LtxFileInfo,
  options: RequestOptions = {},
): Promise<FileLayout> {
  const label = fileLabel(client, file)
  checkNotCut(file, label)
  const { data, offset, fileSize } = await client.read(file, { suffix: TAIL_SIZE }, options)
  checkSize(file, fileSize, label)
  const head = offset === 0 ? data : (await client.read(file, { offset: 0, length: HEADER_SIZE }, options)).data
  const header = decodeHeader(head, label)
  checkListed(file, header, label)
  const { indexOffset, postApplyChecksum, fileChecksum, index: found } = parseTail(data, fileSize, header, label)
  const endAt = indexOffset - PAGE_HEADER_SIZE
  const readEnd = async () => (await client.read(file, { offset: endAt, length: fileSize - endAt }, options)).data
  const end = endAt < offset ? await readEnd() : data.subarray(endAt - offset)
  checkEndMarker(end, label, endAt)
  const encoded = end.subarray(PAGE_HEADER_SIZE, end.length - TRAILER_SIZE - INDEX_LENGTH_SIZE)
  const index = found ?? decodePageIndex(encoded, label, indexOffset, indexRules(header))
  const endLength = end.length - FILE_CHECKSUM_SIZE
  const sums = {
    header: native.crc64(0n, head.subarray(0, HEADER_SIZE)),
    end: native.crc64(0n, end.subarray(0, endLength)),
    endLength,
    fileChecksum,
  }
  const bytes = offset === 0 ? { bytes: data } : {}
  return {
    file,
    label,
    header,
    index,
    postApplyChecksum,
    denseFrom: denseFrom(header, index),
    size: fileSize,
    sums,
    ...bytes,
  }
}

/** Throws LTX_CORRUPT unless the page block ends immediately before the page index. */
function checkEndMarker(end: Uint8Array, label: string, offset: number): void {
  if (end.subarray(0, PAGE_HEADER_SIZE).some((byte) => byte !== 0)) {
    throw corrupt('the page block does not end where the page index begins', label, offset)
  }
}
