import { checkListed, checkSize } from '../levels/file-check.js'
import { ByteReader } from '../ltx/byte-reader.js'
import { corrupt } from '../ltx/corrupt.js'
import { HEADER_SIZE, INDEX_LENGTH_SIZE, PAGE_HEADER_SIZE, TRAILER_SIZE } from '../ltx/format.js'
import { decodeHeader, type LtxHeader } from '../ltx/header.js'
import { compareFileChecksum, readChecksums } from '../ltx/tail.js'
import { native } from '../native/addon.js'
import type { MergedInput } from '../native/frame-merger.js'
import type { LtxFileInfo } from '../storage/replica-client.js'

/** One input file of a merge. `label` is the name of the file in messages. */
export interface MergeSource {
  readonly label: string
  /**
   * The listed file of a replica. If `file` is defined, the header of the input must match the name
   * and the size in the listing.
   */
  readonly file?: LtxFileInfo
  readonly bytes: AsyncIterable<Uint8Array>
}

/**
 * Reads the header, the page index and the trailer of one input file. The native merger reads the
 * page frames between the header and the page index.
 */
export class MergeInput {
  readonly header: LtxHeader
  readonly label: string
  readonly reader: ByteReader
  /** CRC-64 of the header. */
  readonly crc: bigint
  readonly #file: LtxFileInfo | undefined

  private constructor(header: LtxHeader, { label, file }: MergeSource, reader: ByteReader, crc: bigint) {
    this.header = header
    this.label = label
    this.#file = file
    this.reader = reader
    this.crc = crc
  }

  static async open(source: MergeSource): Promise<MergeInput> {
    const { label, file, bytes } = source
    const reader = new ByteReader(bytes)
    try {
      await reader.need(HEADER_SIZE)
      const header = decodeHeader(reader.available, label)
      if (file) checkListed(file, header, label)
      const crc = native.crc64(0n, reader.available.subarray(0, HEADER_SIZE))
      reader.take(HEADER_SIZE)
      return new MergeInput(header, source, reader, crc)
    } catch (error) {
      await reader.cancel()
      throw error
    }
  }

  /**
   * Checks the bytes after the last frame. Compares only the length and the CRC of the page index,
   * because the expected page index is not in memory. Throws LTX_CORRUPT if they differ.
   */
  async finish(merged: MergedInput): Promise<void> {
    const { header, reader, label } = this
    let { crc } = merged
    let at = merged.offset
    const take = (size: number) => {
      const bytes = reader.available.subarray(0, size)
      crc = native.crc64(crc, bytes)
      reader.take(size)
      at += size
      return bytes
    }
    const need = async (size: number) => {
      if (!(await reader.need(size)))
        throw corrupt('the file ends before its trailer', label, at + reader.available.length)
    }
    await need(PAGE_HEADER_SIZE)
    take(PAGE_HEADER_SIZE)

    const indexOffset = at
    const indexSize = merged.indexSize + 1
    let indexCrc = 0n
    for (let left = indexSize; left > 0; ) {
      await need(1)
      const bytes = take(Math.min(left, reader.available.length))
      indexCrc = native.crc64(indexCrc, bytes)
      left -= bytes.length
    }
    if (indexCrc !== native.crc64(merged.indexCrc, Uint8Array.of(0))) {
      throw corrupt('the page index does not match the page block', label, indexOffset)
    }
    await need(INDEX_LENGTH_SIZE + TRAILER_SIZE)
    const tail = reader.available
    const view = new DataView(tail.buffer, tail.byteOffset)
    if (view.getBigUint64(0) !== BigInt(indexSize)) throw corrupt('the page index has the wrong length', label, at)
    const size = at + INDEX_LENGTH_SIZE + TRAILER_SIZE
    const checksums = readChecksums(
      tail.subarray(INDEX_LENGTH_SIZE, INDEX_LENGTH_SIZE + TRAILER_SIZE),
      size,
      header,
      label,
    )
    take(INDEX_LENGTH_SIZE + 8)
    compareFileChecksum(checksums, crc, size, label)
    reader.take(8)
    if (reader.available.length > 0 || (await reader.more()))
      throw corrupt('the file has bytes after its trailer', label, size)
    if (this.#file) checkSize(this.#file, size, label)
  }
}
