import { corrupt } from '../ltx/corrupt.js'
import { fileLabel } from '../ltx/file-label.js'
import { FRAME_HEADER_SIZE, HEADER_SIZE, lockPgno, maxFrameSize, PAGE_FLAG_SIZE } from '../ltx/format.js'
import { decodeHeader, type LtxHeader } from '../ltx/header.js'
import { decodePageIndex, indexRules, type PageIndex, PageIndexReader, type PageMapTarget } from '../ltx/page-index.js'
import { parseTailPlaces } from '../ltx/tail.js'
import type { ByteRange, LtxFileInfo, ReadOptions, ReadResult, RequestOptions } from '../storage/replica-client.js'
import type { Breather } from '../util/breather.js'
import { checkListed, checkNotCut, checkSize } from './file-check.js'
import type { UnreadIndex } from './paged-index.js'
import type { PlannedFile } from './plan-check.js'

/** Maximum size in bytes of a file that is read completely with one request. */
export const WHOLE_FILE_SIZE = 256 * 1024
const MIN_TAIL = 32 * 1024
/**
 * Maximum number of bytes that the first request reads from the end of a file. If the page index is
 * larger than one slice, further requests read the rest in parallel, one slice per request.
 */
const SLICE = 1024 * 1024
/**
 * Number of bytes that are read from the beginning of a larger file. The beginning contains the
 * header and, in a snapshot, the schema and the root pages of the first tables.
 */
const HEAD = 64 * 1024

/**
 * Size in bytes above which the page index of a snapshot is read in blocks. A page index of this
 * size has the entries of about 400,000 pages.
 */
export const PAGED_INDEX_SIZE: number = 4 * 1024 * 1024

/** The part of a replica client that reads files. */
export interface FileReader {
  readonly url: string
  read(file: LtxFileInfo, range: ByteRange, options?: ReadOptions): Promise<ReadResult>
}

/**
 * A byte range of an LTX file that was read together with the header and the page index. A byte
 * range that contains pages stays in memory.
 */
export interface FilePiece {
  /** Offset of the byte range in the file. */
  readonly offset: number
  readonly bytes: Uint8Array
}

/** The position of a frame inside a byte range that was read. */
export interface LoadedFrame {
  readonly pgno: number
  readonly offset: number
  readonly size: number
}

/** The header, the checksum and the encoded page index of a file. */
export interface FileIndexParts extends PlannedFile {
  readonly info: LtxFileInfo
  readonly pieces: readonly FilePiece[]
  /** Offset of the page index in the file. */
  readonly offset: number
  /** The encoded page index in consecutive slices. */
  readonly slices: Uint8Array[]
  /** The unread page index of a snapshot, or undefined if the page index was read. */
  readonly unread?: UnreadIndex | undefined
}

/**
 * The header and the page index of a file. The page index is decoded only when its entries are
 * added to a page map.
 */
export class FileIndex implements PlannedFile {
  readonly info: LtxFileInfo
  readonly label: string
  readonly header: LtxHeader
  readonly postApplyChecksum: bigint
  readonly pieces: readonly FilePiece[]
  /**
   * The page index of a large snapshot, if the page index was not read. `mapInto` and `decode` must
   * then not be called.
   */
  readonly unread: UnreadIndex | undefined
  /**
   * The frames inside the byte ranges in `pieces`; no frames until `mapInto` was called. If the page
   * index was not read, the frames at the beginning of the file.
   */
  readonly frames: LoadedFrame[] = []
  readonly #offset: number
  /**
   * Each slice is released after it is decoded, so that the page index is never in memory twice.
   */
  readonly #slices: Uint8Array[]

  constructor({ info, label, header, postApplyChecksum, pieces, offset, slices, unread }: FileIndexParts) {
    this.info = info
    this.label = label
    this.header = header
    this.postApplyChecksum = postApplyChecksum
    this.pieces = pieces
    this.#offset = offset
    this.#slices = slices
    this.unread = unread
    if (unread) this.frames.push(...firstFrames(pieces[0]?.bytes ?? new Uint8Array(), header))
  }

  /** Total size of the byte ranges in memory, in bytes. */
  get pieceBytes(): number {
    return this.pieces.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  /** Returns a copy that keeps no byte ranges of the file in memory. */
  withoutPieces(): FileIndex {
    const { info, label, header, postApplyChecksum, unread } = this
    // A slice is a view of a larger buffer. A copy of the slice lets the buffer be freed.
    const slices = this.#slices.map((slice) => slice.slice())
    return new FileIndex({ info, label, header, postApplyChecksum, pieces: [], offset: this.#offset, slices, unread })
  }

  /**
   * Adds every frame to a page map. Calls `onPages` with ascending page numbers after each decoded
   * slice. May be called only once. Throws LTX_CORRUPT if the page index does not match the header,
   * the page block, or the frames in `pieces`.
   */
  async mapInto(target: PageMapTarget, breather: Breather, onPages?: (pgnos: Uint32Array) => void): Promise<void> {
    const reader = new PageIndexReader(this.label, this.#offset, indexRules(this.header, target.peak))
    const pieces = Float64Array.from(this.pieces.flatMap(({ offset, bytes }) => [offset, offset + bytes.length]))
    this.#slices.reverse()
    for (let slice = this.#slices.pop(); slice; slice = this.#slices.pop()) {
      await breather.rest()
      const { frames, pgnos } = reader.map(slice, target, pieces, onPages !== undefined)
      for (let i = 0; i < frames.length; i += 3) {
        const frame = { pgno: frames[i], offset: frames[i + 1], size: frames[i + 2] }
        this.#checkFrame(frame)
        this.frames.push(frame)
      }
      onPages?.(pgnos)
    }
    reader.end()
  }

  /** Decodes the whole page index. Must not be called after `mapInto`. Throws LTX_CORRUPT. */
  decode(): PageIndex {
    const bytes = this.#slices.length === 1 ? this.#slices[0] : Buffer.concat(this.#slices)
    return decodePageIndex(bytes, this.label, this.#offset, indexRules(this.header))
  }

  /** Compares a page index entry with the frame header at its offset. Throws LTX_CORRUPT. */
  #checkFrame({ pgno, offset, size }: LoadedFrame): void {
    const piece = this.pieces.find((each) => offset >= each.offset && offset + size <= each.offset + each.bytes.length)
    if (!piece) return
    const { buffer, byteOffset } = piece.bytes
    const frame = new DataView(buffer, byteOffset + offset - piece.offset, size)
    const [own, flags] = [frame.getUint32(0), frame.getUint16(4)]
    const length = (flags & PAGE_FLAG_SIZE) === 0 ? size : FRAME_HEADER_SIZE + frame.getUint32(6)
    if (own === pgno && length === size) return
    const what = `the page index has page ${pgno} with ${size} bytes, but its frame has page ${own} with ${length} bytes`
    throw corrupt(what, this.label, offset, pgno)
  }
}

/**
 * Estimates the number of bytes to read from the end of a file for the whole page index, at most
 * SLICE. A page index entry has about 7 bytes and a compressed page has about 2,000 bytes, so 1/128
 * of the file nearly always suffices.
 */
function tailGuess(size: number): number {
  return Math.min(size, SLICE, Math.max(MIN_TAIL, Math.ceil(size / 128)))
}

/**
 * Returns the complete frames at the beginning of a snapshot. A snapshot has every page, so the page
 * numbers of its frames are known without the page index. The list ends at the first frame that
 * differs from this order, or that has the older form without a size.
 */
function firstFrames(bytes: Uint8Array, { pageSize, commit }: LtxHeader): LoadedFrame[] {
  const frames: LoadedFrame[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const lock = lockPgno(pageSize)
  let pgno = 1
  for (let offset = HEADER_SIZE; offset + FRAME_HEADER_SIZE <= bytes.length && pgno <= commit; ) {
    const size = FRAME_HEADER_SIZE + view.getUint32(offset + 6)
    const isNext = view.getUint32(offset) === pgno && view.getUint16(offset + 4) === PAGE_FLAG_SIZE
    if (!isNext || size > maxFrameSize(pageSize) || offset + size > bytes.length) break
    frames.push({ pgno, offset, size })
    offset += size
    pgno += pgno + 1 === lock ? 2 : 1
  }
  return frames
}

/** Options of `loadFileIndex`. */
export interface LoadIndexOptions extends RequestOptions {
  /**
   * Whether the page index of a snapshot is not read if it has more than PAGED_INDEX_SIZE bytes.
   * The caller must then use a PagedIndex.
   */
  readonly paged?: boolean
  /** Maximum size in bytes of a file that is read with one request. Default WHOLE_FILE_SIZE. */
  readonly whole?: number | undefined
  /**
   * If true, the read does not use caches. Must be true after an earlier read returned damaged
   * bytes.
   */
  readonly fresh?: boolean
}

/**
 * Reads the header and the page index of a file. Needs one round trip, or two if the page index is
 * larger than estimated. Of a large page index, only the end is read if the caller allows this
 * (`paged`). Throws LTX_CORRUPT if the header or the trailer contradicts the name or
 * the listed size.
 */
export async function loadFileIndex(
  client: FileReader,
  info: LtxFileInfo,
  { whole = WHOLE_FILE_SIZE, paged = false, ...options }: LoadIndexOptions = {},
): Promise<FileIndex> {
  const label = fileLabel(client, info)
  checkNotCut(info, label)
  const [head, tail] =
    info.size <= whole
      ? Array(2).fill(await client.read(info, { offset: 0 }, options))
      : await Promise.all([
          client.read(info, { offset: 0, length: HEAD }, options),
          client.read(info, { suffix: tailGuess(info.size) }, options),
        ])
  const { fileSize } = tail
  checkSize(info, fileSize, label)
  const header = decodeHeader(head.data, label)
  checkListed(info, header, label)
  const { indexOffset, indexSize, postApplyChecksum } = parseTailPlaces(tail.data, fileSize, header, label)
  const tailOffset = fileSize - tail.data.length
  if (paged && header.minTxid === 1 && indexSize > PAGED_INDEX_SIZE) {
    const read = tail.data.slice(Math.max(0, indexOffset - tailOffset), indexOffset + indexSize - tailOffset)
    const unread = { info, label, header, offset: indexOffset, size: indexSize, tail: read }
    const pieces = [{ offset: 0, bytes: head.data }]
    return new FileIndex({ info, label, header, postApplyChecksum, pieces, offset: indexOffset, slices: [], unread })
  }
  const slices: Uint8Array[] = []
  const ranges = []
  for (let at = indexOffset; at < Math.min(tailOffset, indexOffset + indexSize); at += SLICE) {
    ranges.push({ offset: at, length: Math.min(SLICE, Math.min(tailOffset, indexOffset + indexSize) - at) })
  }
  for (const { data } of await Promise.all(ranges.map((range) => client.read(info, range, options)))) slices.push(data)
  const from = Math.max(0, indexOffset - tailOffset)
  slices.push(tail.data.subarray(from, indexOffset + indexSize - tailOffset))
  const pieces = [{ offset: 0, bytes: head.data }]
  if (tail !== head && from > 0) pieces.push({ offset: tailOffset, bytes: tail.data.subarray(0, from) })
  return new FileIndex({ info, label, header, postApplyChecksum, pieces, offset: indexOffset, slices })
}

/** Reads and decodes the page index of a file. */
export async function readFileIndex(
  client: FileReader,
  info: LtxFileInfo,
  options: RequestOptions = {},
): Promise<PageIndex> {
  return (await loadFileIndex(client, info, options)).decode()
}
