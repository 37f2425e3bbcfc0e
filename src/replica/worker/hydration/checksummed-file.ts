import { PagedIndex } from '../../../levels/paged-index.js'
import { type FileReader, readFileIndex } from '../../../levels/remote-index.js'
import { fileLabel } from '../../../ltx/file-label.js'
import { HEADER_SIZE, TRAILER_SIZE } from '../../../ltx/format.js'
import { decodeHeader } from '../../../ltx/header.js'
import type { PageIndex } from '../../../ltx/page-index.js'
import { compareFileChecksum, readChecksums } from '../../../ltx/tail.js'
import { native } from '../../../native/addon.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'
import { PageRuns } from '../chain/page-runs.js'

/** Number of bytes after the last range that are read at once. */
const SLICE = 4 * 1024 * 1024

/** The CRC of a byte range. The checksum of the file is combined from such CRCs. */
export interface Piece {
  /**
   * `offset` is the beginning of the byte range in the file, and `end` is the end of the byte
   * range.
   */
  readonly offset: number
  readonly end: number
  readonly crc: bigint
  /** Number of bytes that the CRC of the range covers. */
  readonly length: number
}

/**
 * A file that is read completely because most of its pages are needed. The worker can verify the
 * checksum of a completely read file, but not the checksum of single ranges. The ranges of a file
 * may arrive in any order.
 */
export class WholeFile {
  readonly info: LtxFileInfo
  /** The ordinal of the file in the file table. */
  readonly file: number
  readonly #client: FileReader
  readonly #index: PageIndex | PagedIndex
  readonly #pieces: Piece[] = []

  private constructor(client: FileReader, info: LtxFileInfo, file: number, index: PageIndex | PagedIndex) {
    this.#client = client
    this.info = info
    this.file = file
    this.#index = index
  }

  /** `paged` is the page index of the file, if the page index is read in blocks. */
  static async open(
    client: FileReader,
    info: LtxFileInfo,
    file: number,
    paged: PagedIndex | undefined,
    signal: AbortSignal,
  ): Promise<WholeFile> {
    return new WholeFile(client, info, file, paged ?? (await readFileIndex(client, info, { signal })))
  }

  /** Returns every frame of the file, in one or several parts. */
  async *frames(): AsyncGenerator<PageIndex> {
    if (this.#index instanceof PagedIndex) yield* this.#index.frames()
    else yield this.#index
  }

  /** Returns the numbers of all pages in the file. */
  pages(): PageRuns {
    return this.#index instanceof PagedIndex ? PageRuns.from(this.#index.pages()) : PageRuns.from(this.#index.pgnos)
  }

  add(piece: Piece): void {
    this.#pieces.push(piece)
  }

  /**
   * Throws LTX_CORRUPT if the checksum in the trailer does not match the other bytes of the file.
   */
  async verify(signal: AbortSignal): Promise<void> {
    const pieces = this.#pieces.sort((a, b) => a.offset - b.offset)
    const read = async (offset: number, length: number) => {
      return (await this.#client.read(this.info, { offset, length }, { signal })).data
    }
    const { size } = this.info
    const head = await read(0, HEADER_SIZE)
    let crc = native.crc64(0n, head)
    for (const piece of pieces) crc = native.combineCrc64(crc, piece.crc, piece.length)
    // The page index of a large file does not fit into memory.
    const end = size - TRAILER_SIZE
    for (let at = pieces.at(-1)?.end ?? HEADER_SIZE; at < end; at += SLICE) {
      crc = native.crc64(crc, await read(at, Math.min(SLICE, end - at)))
    }
    const trailer = await read(end, TRAILER_SIZE)
    crc = native.crc64(crc, trailer.subarray(0, -8))
    const label = fileLabel(this.#client, this.info)
    compareFileChecksum(readChecksums(trailer, size, decodeHeader(head, label), label), crc, size, label)
  }
}
