import { native } from '../native/addon.js'
import { ByteReader } from './byte-reader.js'
import { corrupt } from './corrupt.js'
import {
  CHECKSUM_FLAG,
  FLAG_NO_CHECKSUM,
  HEADER_SIZE,
  INDEX_LENGTH_SIZE,
  lockPgno,
  MAX_INDEX_ENTRY,
  PAGE_HEADER_SIZE,
  snapshotPageCount,
  TRAILER_SIZE,
} from './format.js'
import { decodeHeader, type LtxHeader } from './header.js'
import { decodePageIndex, indexRules, type PageIndex } from './page-index.js'
import { PageIndexBuilder } from './page-index-builder.js'
import { compareFileChecksum, type LtxChecksums, readChecksums } from './tail.js'

/**
 * Decoded pages of a file. The decoder reuses the buffers of a batch when it decodes the batch
 * `DecodeOptions.buffers` batches later. A caller that needs the pages longer must copy them.
 */
export interface PageBatch {
  readonly count: number
  readonly pgnos: Uint32Array
  /** The contents of the pages, one after another. */
  readonly pages: Uint8Array
}

export interface LtxTrailer extends LtxChecksums {
  /** Size of the file in bytes. */
  readonly fileSize: number
  readonly indexOffset: number
  readonly index: PageIndex
}

export interface DecodeOptions {
  /**
   * Maximum number of bytes of pages in a batch. A batch contains at least one page. The default is
   * 1 MiB.
   */
  readonly batchBytes?: number
  /**
   * Number of buffers that the decoder uses in turn. Each buffer holds one batch. The default is 1,
   * so each batch overwrites the previous batch.
   */
  readonly buffers?: number
  /**
   * Number of pages in the file, if the caller knows it. Buffers for a small file are then no larger
   * than its pages. Default 15.
   */
  readonly pageCount?: number
}

export interface LtxDecoding {
  readonly header: LtxHeader
  /**
   * All pages of the file in ascending order. The iteration ends without an error only if the whole
   * file is valid. The batches can be read only once.
   */
  readonly batches: AsyncIterable<PageBatch>
  /** The trailer of the file, or undefined until `batches` has ended. */
  readonly trailer: LtxTrailer | undefined
  /**
   * Closes the source of the file's bytes. A caller that does not read `batches` must call
   * `cancel`.
   */
  cancel(): Promise<void>
}

/**
 * Decodes an LTX file from a stream of its bytes. Checks the structure, every page, the page index
 * and the file checksum. In a snapshot with checksums, also checks the database checksum. The
 * promise resolves when the header was read. Throws LTX_CORRUPT with the file, the offset and the
 * page number. Errors of the source itself are thrown unchanged.
 *
 * @example
 * const ltx = await decodeLtx(client.stream(file), 'name for messages')
 * for await (const { count, pgnos, pages } of ltx.batches) …
 */
export async function decodeLtx(
  source: AsyncIterable<Uint8Array>,
  file: string,
  options: DecodeOptions = {},
): Promise<LtxDecoding> {
  const decoder = new Decoder(source, file, options)
  await decoder.readHeader()
  return decoder
}

class Decoder implements LtxDecoding {
  readonly batches: AsyncIterable<PageBatch>
  trailer: LtxTrailer | undefined
  readonly #reader: ByteReader
  readonly #file: string
  readonly #batchBytes: number
  readonly #buffers: number
  readonly #pageCount: number
  readonly #index = new PageIndexBuilder()
  /**
   * The CRC of the bytes that were read, and the xor of the checksums of the decoded pages. Native
   * code updates the CRC and the xor.
   */
  readonly #state = new BigUint64Array(2)
  #header!: LtxHeader
  #offset = 0
  #lastPgno = 0

  constructor(source: AsyncIterable<Uint8Array>, file: string, options: DecodeOptions) {
    this.#reader = new ByteReader(source)
    this.#file = file
    this.#batchBytes = options.batchBytes ?? 1024 * 1024
    this.#buffers = options.buffers ?? 1
    this.#pageCount = options.pageCount ?? 15
    this.batches = this.#decode()
  }

  get header(): LtxHeader {
    return this.#header
  }

  cancel(): Promise<void> {
    return this.#reader.cancel()
  }

  async readHeader(): Promise<void> {
    try {
      await this.#reader.need(HEADER_SIZE)
      this.#header = decodeHeader(this.#reader.available, this.#file)
      this.#checksum(HEADER_SIZE)
    } catch (error) {
      await this.#reader.cancel()
      throw error
    }
  }

  async *#decode(): AsyncGenerator<PageBatch, void, undefined> {
    try {
      yield* this.#pages()
      await this.#end()
    } finally {
      await this.#reader.cancel()
    }
  }

  async *#pages(): AsyncGenerator<PageBatch, void, undefined> {
    const { pageSize, flags, minTxid } = this.#header
    const most = Math.max(1, Math.floor(this.#batchBytes / pageSize))
    // Most files have only a few pages, so the buffers start small and grow. A buffer that is not
    // full after the last page needs no second call.
    let capacity = Math.min(16, this.#pageCount + 1, most)
    const sizes = new Uint32Array(most)
    const spare: { pgnos: Uint32Array; pages: Uint8Array }[] = []
    let pgnos: Uint32Array = new Uint32Array(capacity)
    let pages: Uint8Array = new Uint8Array(capacity * pageSize)
    const result = new Float64Array(2)
    const { decode } = native.constants
    const sumPages = minTxid === 1 && (flags & FLAG_NO_CHECKSUM) === 0
    for (;;) {
      const input = this.#reader.available
      const status = native.decodeFrames(this.#state, pageSize, input, pgnos, sizes, pages, sumPages, result)
      const count = result[0]!
      const consumed = result[1]!
      if (count > 0) {
        this.#accept(pgnos, sizes, count)
        this.#index.append(pgnos, sizes, count, this.#offset)
        this.#offset += consumed
        this.#reader.take(consumed)
        yield { count, pgnos: pgnos.subarray(0, count), pages: pages.subarray(0, count * pageSize) }
        if (status === decode.end) return
        if (this.#buffers > 1) {
          spare.push({ pgnos, pages })
          const free = spare.length === this.#buffers ? spare.shift() : undefined
          const fits = free?.pgnos.length === capacity
          pgnos = fits ? free!.pgnos : new Uint32Array(capacity)
          pages = fits ? free!.pages : new Uint8Array(capacity * pageSize)
        }
      }
      if (status === decode.end) return
      if (status !== decode.more) throw this.#frameFault(status)
      if (count < capacity) {
        if (!(await this.#reader.more())) throw this.#truncated('inside the page block')
      } else if (capacity < most) {
        capacity = Math.min(capacity * 4, most)
        pgnos = new Uint32Array(capacity)
        pages = new Uint8Array(capacity * pageSize)
      }
    }
  }

  #frameFault(status: number): Error {
    const bytes = this.#reader.available
    const pgno = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0)
    return corrupt(native.constants.frameFaults[status] ?? 'bad page frame', this.#file, this.#offset, pgno)
  }

  /** Checks the page numbers of a batch against the header. */
  #accept(pgnos: Uint32Array, sizes: Uint32Array, count: number): void {
    const { commit, minTxid, pageSize } = this.#header
    const lock = lockPgno(pageSize)
    let last = this.#lastPgno
    for (let i = 0, at = this.#offset; i < count; at += sizes[i]!, i++) {
      const pgno = pgnos[i]!
      const next = last + 1 === lock ? lock + 1 : last + 1
      if (pgno === lock) throw corrupt('the page block contains the lock page', this.#file, at, pgno)
      if (pgno <= last)
        throw corrupt(`page ${pgno} follows page ${last}, but the page numbers must ascend`, this.#file, at, pgno)
      if (pgno > commit) throw corrupt(`page ${pgno} is beyond the database of ${commit} pages`, this.#file, at, pgno)
      if (minTxid === 1 && pgno !== next) throw corrupt(`page ${next} of a snapshot is missing`, this.#file, at, pgno)
      last = pgno
    }
    this.#lastPgno = last
  }

  async #end(): Promise<void> {
    const { commit, minTxid, pageSize, flags } = this.#header
    const file = this.#file
    const markerAt = this.#offset
    this.#checksum(PAGE_HEADER_SIZE)
    if (minTxid === 1 && this.#index.count !== snapshotPageCount(commit, pageSize)) {
      throw corrupt(`a snapshot of ${commit} pages ends at page ${this.#lastPgno}`, file, markerAt)
    }
    const indexOffset = this.#offset
    // Maximum number of bytes of a file after the page block. The decoder holds the bytes after the
    // page block in memory, so it refuses a file with more such bytes before it reads them.
    const most = this.#index.count * MAX_INDEX_ENTRY + 1 + INDEX_LENGTH_SIZE + TRAILER_SIZE
    while (this.#reader.available.length <= most && (await this.#reader.more()));
    const rest = this.#reader.available
    if (rest.length > most) {
      throw corrupt(`the page index of ${this.#index.count} pages is longer than possible`, file, indexOffset)
    }
    const fileSize = indexOffset + rest.length
    const lengthAt = rest.length - TRAILER_SIZE - INDEX_LENGTH_SIZE
    if (lengthAt < 1) throw this.#truncated('inside the page index')
    const view = new DataView(rest.buffer, rest.byteOffset, rest.length)
    const indexSize = view.getBigUint64(lengthAt)
    if (indexSize !== BigInt(lengthAt)) {
      throw corrupt(
        `the page index has ${lengthAt} bytes, but its length field says ${indexSize}`,
        file,
        indexOffset + lengthAt,
      )
    }
    const index = decodePageIndex(rest.subarray(0, lengthAt), file, indexOffset, indexRules(this.#header))
    this.#compareIndex(index, indexOffset)
    const checksums = readChecksums(rest.subarray(rest.length - TRAILER_SIZE), fileSize, this.#header, file)
    this.#checksum(rest.length - 8)
    compareFileChecksum(checksums, this.#state[0]!, fileSize, file)
    const isSummed = (flags & FLAG_NO_CHECKSUM) === 0 && minTxid === 1
    if (isSummed && checksums.postApplyChecksum !== (this.#state[1]! | CHECKSUM_FLAG)) {
      throw corrupt('the database checksum does not match the pages', file, fileSize - TRAILER_SIZE)
    }
    this.trailer = { ...checksums, fileSize, indexOffset, index }
  }

  #compareIndex(index: PageIndex, indexOffset: number): void {
    const seen = this.#index.build()
    if (index.count !== seen.count) {
      throw corrupt(
        `the page index has ${index.count} pages, but the page block has ${seen.count}`,
        this.#file,
        indexOffset,
      )
    }
    for (let i = 0; i < seen.count; i++) {
      if (
        index.pgnos[i] !== seen.pgnos[i] ||
        index.offsets[i] !== seen.offsets[i] ||
        index.sizes[i] !== seen.sizes[i]
      ) {
        throw corrupt('the page index does not match the page block', this.#file, seen.offsets[i]!, seen.pgnos[i]!)
      }
    }
  }

  /** Adds the next `size` unread bytes to the CRC of the file. */
  #checksum(size: number): void {
    this.#state[0] = native.crc64(this.#state[0]!, this.#reader.available.subarray(0, size))
    this.#reader.take(size)
    this.#offset += size
  }

  #truncated(where: string): Error {
    const end = this.#offset + this.#reader.available.length
    return corrupt(`the file ends ${where}`, this.#file, end)
  }
}
