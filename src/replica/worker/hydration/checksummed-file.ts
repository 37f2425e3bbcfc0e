import { type FileReader, readFileIndex } from '../../../levels/remote-index.js'
import { fileLabel } from '../../../ltx/file-label.js'
import { HEADER_SIZE, TRAILER_SIZE } from '../../../ltx/format.js'
import { decodeHeader } from '../../../ltx/header.js'
import type { PageIndex } from '../../../ltx/page-index.js'
import { compareFileChecksum, readChecksums } from '../../../ltx/tail.js'
import { native } from '../../../native/addon.js'
import type { LtxFileInfo } from '../../../storage/replica-client.js'

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
  /** Every frame of the file. */
  readonly frames: PageIndex
  readonly #client: FileReader
  readonly #pieces: Piece[] = []

  private constructor(client: FileReader, info: LtxFileInfo, file: number, frames: PageIndex) {
    this.#client = client
    this.info = info
    this.file = file
    this.frames = frames
  }

  static async open(client: FileReader, info: LtxFileInfo, file: number, signal: AbortSignal): Promise<WholeFile> {
    return new WholeFile(client, info, file, await readFileIndex(client, info, { signal }))
  }

  add(piece: Piece): void {
    this.#pieces.push(piece)
  }

  /**
   * Throws LTX_CORRUPT if the checksum in the trailer does not match the other bytes of the file.
   */
  async verify(signal: AbortSignal): Promise<void> {
    const pieces = this.#pieces.sort((a, b) => a.offset - b.offset)
    const covered = pieces.at(-1)?.end ?? HEADER_SIZE
    const [head, rest] = await Promise.all([
      this.#client.read(this.info, { offset: 0, length: HEADER_SIZE }, { signal }),
      this.#client.read(this.info, { offset: covered }, { signal }),
    ])
    let crc = native.crc64(0n, head.data)
    for (const piece of pieces) crc = native.combineCrc64(crc, piece.crc, piece.length)
    crc = native.crc64(crc, rest.data.subarray(0, -8))
    const label = fileLabel(this.#client, this.info)
    const { size } = this.info
    const checksums = readChecksums(rest.data.subarray(-TRAILER_SIZE), size, decodeHeader(head.data, label), label)
    compareFileChecksum(checksums, crc, size, label)
  }
}
