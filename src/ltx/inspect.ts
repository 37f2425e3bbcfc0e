import { HEADER_SIZE } from './format.js'
import { decodeHeader, type LtxHeader } from './header.js'
import { decodePageIndex, indexRules, type PageIndex } from './page-index.js'
import { type LtxChecksums, MIN_FILE_SIZE, parseTail } from './tail.js'

/** A summary of an LTX file. All sizes are in bytes. */
export interface LtxSummary extends LtxChecksums {
  /** The header of the file. */
  readonly header: LtxHeader
  /** Size of the file. */
  readonly fileSize: number
  /** Number of pages in the file. */
  readonly pageCount: number
  /** Total size of the pages after decompression. */
  readonly pageBytes: number
  /** Total size of the stored frames, including their headers. */
  readonly frameBytes: number
  /** Size of the page index. */
  readonly indexSize: number
  /** The decoded page index, which contains the number, offset and frame size of each page. */
  readonly index: PageIndex
}

/**
 * Number of bytes that are read from the end of the file. The last TAIL_SIZE bytes of most files
 * contain the whole page index, so that two reads suffice.
 */
const TAIL_SIZE = 32 * 1024

/**
 * Reads the header, the page index and the trailer of a file. Does not read or check the pages.
 * `read` must return exactly the requested bytes. Throws LTX_CORRUPT if the header, the page index
 * or the trailer is invalid.
 */
export async function inspectLtx(
  read: (offset: number, length: number) => Promise<Uint8Array>,
  fileSize: number,
  file: string,
): Promise<LtxSummary> {
  const tailOffset = Math.max(0, fileSize - TAIL_SIZE)
  const header = decodeHeader(await read(0, Math.min(HEADER_SIZE, fileSize)), file)
  const bytes = fileSize < MIN_FILE_SIZE ? new Uint8Array(0) : await read(tailOffset, fileSize - tailOffset)
  const { index: found, indexOffset, indexSize, ...checksums } = parseTail(bytes, fileSize, header, file)
  const index = found ?? decodePageIndex(await read(indexOffset, indexSize), file, indexOffset, indexRules(header))
  return summarize(header, fileSize, index, indexSize, checksums)
}

export function summarize(
  header: LtxHeader,
  fileSize: number,
  index: PageIndex,
  indexSize: number,
  checksums: LtxChecksums,
): LtxSummary {
  let frameBytes = 0
  for (const size of index.sizes) frameBytes += size
  const pageBytes = index.count * header.pageSize
  return { header, fileSize, pageCount: index.count, pageBytes, frameBytes, indexSize, ...checksums, index }
}
