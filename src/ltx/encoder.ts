import { LitestreamError } from '../errors.js'
import { native } from '../native/addon.js'
import {
  CHECKSUM_FLAG,
  FLAG_NO_CHECKSUM,
  FRAME_HEADER_SIZE,
  HEADER_SIZE,
  lockPgno,
  maxFrameSize,
  PAGE_HEADER_SIZE,
  TRAILER_SIZE,
} from './format.js'
import { encodeHeader, type LtxHeader } from './header.js'
import { encodePageIndex } from './page-index.js'
import { PageIndexBuilder } from './page-index-builder.js'

/**
 * The header fields that a writer must set, and optional fields. By default, the file has no
 * checksums, no WAL position, the node ID 0, and the current time as its timestamp.
 */
export type LtxHeaderInit = Pick<LtxHeader, 'pageSize' | 'commit' | 'minTxid' | 'maxTxid'> & Partial<LtxHeader>

/**
 * Writes one LTX file as a series of buffers. The caller calls start(), then pages() any number of
 * times, then finish(). The caller owns every returned buffer. The buffer that pages() returns may
 * be a part of `room`. The page index needs 16 bytes of memory per page. Throws INVALID_ARGUMENT if
 * the file would be invalid.
 *
 * @example
 * const encoder = new LtxEncoder({ pageSize: 4096, commit: 2, minTxid: 1, maxTxid: 1 })
 * const file = Buffer.concat([encoder.start(), encoder.pages(Uint32Array.of(1, 2), pages),
 * encoder.finish()])
 */
export class LtxEncoder {
  readonly header: LtxHeader
  readonly #index = new PageIndexBuilder()
  readonly #crc = new BigUint64Array(1)
  readonly #lockPgno: number
  #offset = 0
  #lastPgno = 0

  constructor(header: LtxHeaderInit) {
    this.header = {
      flags: FLAG_NO_CHECKSUM,
      timestamp: Date.now(),
      preApplyChecksum: 0n,
      walOffset: 0,
      walSize: 0,
      walSalt1: 0,
      walSalt2: 0,
      nodeId: 0n,
      ...header,
    }
    this.#lockPgno = lockPgno(this.header.pageSize)
  }

  /** Total number of bytes in all buffers that the encoder has returned. */
  get size(): number {
    return this.#offset
  }

  get pageCount(): number {
    return this.#index.count
  }

  /** Returns the bytes of the header. */
  start(): Uint8Array {
    if (this.#offset !== 0) throw misuse('start() was called twice')
    const bytes = encodeHeader(this.header)
    this.#crc[0] = native.crc64(0n, bytes)
    this.#offset = HEADER_SIZE
    return bytes
  }

  /**
   * Returns the frames of a batch of pages. Page numbers must ascend from batch to batch. `pages`
   * contains the contents of the pages, one after another. `room` is a buffer for the frames. If
   * `room` is too small, a new buffer is allocated.
   */
  pages(pgnos: Uint32Array, pages: Uint8Array, room?: Uint8Array): Uint8Array {
    const { pageSize } = this.header
    const { out, sizes } = this.#begin(pgnos, pages, room)
    const used = native.encodeFrames(this.#crc, pageSize, pgnos, pages, out, sizes)
    return this.#add(pgnos, sizes, out, used)
  }

  /**
   * Starts to encode a batch of pages on a thread of libuv's pool. The caller may start the next
   * batch before the current batch is finished. Returns a function that waits for the batch and
   * returns its frames, as pages() does. The caller must call the returned functions in the order
   * of the batches. The caller must not change `pages` or `room` until the promise of the returned
   * function has resolved.
   */
  pagesLater(pgnos: Uint32Array, pages: Uint8Array, room?: Uint8Array): () => Promise<Uint8Array> {
    const { pageSize } = this.header
    const { out, sizes } = this.#begin(pgnos, pages, room)
    const crc = new BigUint64Array(1)
    const encoding = native.encodeFramesLater(crc, pageSize, pgnos, pages, out, sizes)
    // If an earlier batch has failed, the caller never awaits `encoding`, and the empty handler
    // prevents an unhandled rejection.
    encoding.catch(() => {})
    return async () => {
      const used = await encoding
      const summed = pgnos.length * (FRAME_HEADER_SIZE + pageSize)
      this.#crc[0] = native.combineCrc64(this.#crc[0]!, crc[0]!, summed)
      return this.#add(pgnos, sizes, out, used)
    }
  }

  #begin(pgnos: Uint32Array, pages: Uint8Array, room: Uint8Array | undefined) {
    const { pageSize } = this.header
    if (pages.length !== pgnos.length * pageSize) {
      throw misuse(`${pgnos.length} pages of ${pageSize} bytes were announced, but ${pages.length} bytes given`)
    }
    this.#accept(pgnos)
    const most = pgnos.length * maxFrameSize(pageSize)
    const out = room && room.length >= most ? room : new Uint8Array(most)
    return { out, sizes: new Uint32Array(pgnos.length) }
  }

  #add(pgnos: Uint32Array, sizes: Uint32Array, out: Uint8Array, used: number): Uint8Array {
    this.#index.append(pgnos, sizes, pgnos.length, this.#offset)
    this.#offset += used
    return out.subarray(0, used)
  }

  /**
   * Returns the end marker, the page index and the trailer. `postApplyChecksum` is the database
   * checksum, or 0n in a file without database checksums.
   */
  finish(postApplyChecksum = 0n): Uint8Array {
    const { flags, commit, minTxid } = this.header
    if (this.#offset === 0) throw misuse('finish() without start()')
    if ((flags & FLAG_NO_CHECKSUM) !== 0 ? postApplyChecksum !== 0n : (postApplyChecksum & CHECKSUM_FLAG) === 0n) {
      throw misuse(`post-apply checksum 0x${postApplyChecksum.toString(16)} does not match the flags of the header`)
    }
    const last = commit === this.#lockPgno ? commit - 1 : commit
    if (minTxid === 1 && this.#lastPgno !== last) {
      throw misuse(`a file that begins at TXID 1 must contain all ${commit} pages, but ends at page ${this.#lastPgno}`)
    }
    const index = encodePageIndex(this.#index.build())
    const bytes = new Uint8Array(PAGE_HEADER_SIZE + index.length + TRAILER_SIZE)
    bytes.set(index, PAGE_HEADER_SIZE)
    const view = new DataView(bytes.buffer)
    const checksumAt = bytes.length - 8
    view.setBigUint64(checksumAt - 8, postApplyChecksum)
    const crc = native.crc64(this.#crc[0]!, bytes.subarray(0, checksumAt))
    view.setBigUint64(checksumAt, crc | CHECKSUM_FLAG)
    this.#offset += bytes.length
    return bytes
  }

  #accept(pgnos: Uint32Array): void {
    const { commit, minTxid } = this.header
    if (this.#offset === 0) throw misuse('pages() before start()')
    for (const pgno of pgnos) {
      if (pgno === this.#lockPgno) throw misuse(`page ${pgno} is the lock page, which must not be stored`)
      if (pgno <= this.#lastPgno) throw misuse(`page ${pgno} was written after page ${this.#lastPgno}`)
      if (pgno > commit) throw misuse(`page ${pgno} is beyond the database of ${commit} pages`)
      if (minTxid === 1) {
        const wanted = this.#lastPgno + 1 === this.#lockPgno ? this.#lockPgno + 1 : this.#lastPgno + 1
        if (pgno !== wanted) throw misuse(`page ${pgno} follows page ${this.#lastPgno} in a file that begins at TXID 1`)
      }
      this.#lastPgno = pgno
    }
  }
}

function misuse(what: string): LitestreamError {
  return new LitestreamError('INVALID_ARGUMENT', `cannot write an LTX file: ${what}`)
}
