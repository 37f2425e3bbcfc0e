import { corrupt } from '../ltx/corrupt.js'
import { fileLabel } from '../ltx/file-label.js'
import { FRAME_HEADER_SIZE, PAGE_FLAG_SIZE } from '../ltx/format.js'
import { decodeHeader, type LtxHeader } from '../ltx/header.js'
import { decodePageIndex, indexRules, type PageIndex, PageIndexReader, type PageMapTarget } from '../ltx/page-index.js'
import { parseTailPlaces } from '../ltx/tail.js'
import type { ByteRange, LtxFileInfo, ReadOptions, ReadResult, RequestOptions } from '../storage/replica-client.js'
import type { Breather } from '../util/breather.js'
import { checkListed, checkNotCut, checkSize } from './file-check.js'
import type { PlannedFile } from './plan-check.js'

/** A file of at most this size is read whole: one request returns its index and its pages. */
export const WHOLE_FILE_SIZE = 256 * 1024
const MIN_TAIL = 32 * 1024
/**
 * Bytes read first from the end of a file; the rest of a larger index is read in another round
 * trip, in slices of this size.
 */
const SLICE = 1024 * 1024
/**
 * Bytes read from the beginning of a larger file: its header, and in a snapshot the schema and the
 * roots of the first tables.
 */
const HEAD = 64 * 1024

/** The part of a client that reads files. */
export interface FileReader {
  readonly url: string
  read(file: LtxFileInfo, range: ByteRange, options?: ReadOptions): Promise<ReadResult>
}

/**
 * A byte range of an LTX file that was fetched along with its header and page index, kept for the
 * pages in it.
 */
export interface FilePiece {
  /** Offset of the range in the file. */
  readonly offset: number
  readonly bytes: Uint8Array
}

/** A frame inside a fetched byte range. */
export interface LoadedFrame {
  readonly pgno: number
  readonly offset: number
  readonly size: number
}

/** Header, checksums and encoded page index of a file. */
export interface FileIndexParts extends PlannedFile {
  readonly info: LtxFileInfo
  readonly pieces: readonly FilePiece[]
  /** Offset of the index in the file. */
  readonly offset: number
  /** The whole index, in order. */
  readonly slices: Uint8Array[]
}

/**
 * Header and page index of a file. The index is decoded only when it is entered into a page map.
 */
export class FileIndex implements PlannedFile {
  readonly info: LtxFileInfo
  readonly label: string
  readonly header: LtxHeader
  readonly postApplyChecksum: bigint
  readonly pieces: readonly FilePiece[]
  /** Frames inside the pieces; known after the index was entered into a map. */
  readonly frames: LoadedFrame[] = []
  readonly #offset: number
  /** Each slice is dropped as soon as it is decoded, so that an index is never in memory twice. */
  readonly #slices: Uint8Array[]

  constructor({ info, label, header, postApplyChecksum, pieces, offset, slices }: FileIndexParts) {
    this.info = info
    this.label = label
    this.header = header
    this.postApplyChecksum = postApplyChecksum
    this.pieces = pieces
    this.#offset = offset
    this.#slices = slices
  }

  /** Size of the pieces in memory, in bytes. */
  get pieceBytes(): number {
    return this.pieces.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  /** A copy without the pieces. */
  withoutPieces(): FileIndex {
    const { info, label, header, postApplyChecksum } = this
    // Copies the slices, so that the buffers which contain them can be freed.
    const slices = this.#slices.map((slice) => slice.slice())
    return new FileIndex({ info, label, header, postApplyChecksum, pieces: [], offset: this.#offset, slices })
  }

  /**
   * Enters every frame into a page map; calls `onPages` with ascending page numbers as they are
   * decoded. May be called only once. Throws LTX_CORRUPT if the index does not match the header,
   * the page block, or the frames in the pieces.
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

  /** The whole index, decoded. May be called only once, too. Throws LTX_CORRUPT. */
  decode(): PageIndex {
    const bytes = this.#slices.length === 1 ? this.#slices[0] : Buffer.concat(this.#slices)
    return decodePageIndex(bytes, this.label, this.#offset, indexRules(this.header))
  }

  /** Compares an entry of the index with its frame. */
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
 * An index takes about 7 bytes per page and a compressed page about 2,000, so 1/128 of the file
 * nearly always contains it. For a very large file, SLICE bytes at most, all of which belong to the
 * index.
 */
function tailGuess(size: number): number {
  return Math.min(size, SLICE, Math.max(MIN_TAIL, Math.ceil(size / 128)))
}

/** How much of a file is read with its index. */
export interface LoadIndexOptions extends RequestOptions {
  /** Files up to this size in bytes are read whole; default WHOLE_FILE_SIZE. */
  readonly whole?: number | undefined
  /** An earlier read returned damaged bytes: no cache may answer. */
  readonly fresh?: boolean
}

/**
 * Reads header and page index of a file: one round trip, or two if the index is larger than
 * estimated. Throws LTX_CORRUPT if name, listing, header and trailer do not match.
 */
export async function loadFileIndex(
  client: FileReader,
  info: LtxFileInfo,
  { whole = WHOLE_FILE_SIZE, ...options }: LoadIndexOptions = {},
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

/** The page index of a file, decoded. */
export async function readFileIndex(
  client: FileReader,
  info: LtxFileInfo,
  options: RequestOptions = {},
): Promise<PageIndex> {
  return (await loadFileIndex(client, info, options)).decode()
}
