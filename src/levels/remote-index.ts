import { decodeHeader, type LtxHeader } from '../ltx/header.js'
import { decodePageIndex, type PageIndex, PageIndexReader, type PageMapTarget } from '../ltx/page-index.js'
import { parseTailPlaces } from '../ltx/tail.js'
import { fileLabel } from '../replica/worker/chain/file-ordinals.js'
import type { ByteRange, LtxFileInfo, ReadOptions, ReadResult } from '../storage/replica-client.js'

/** A file of at most this size is read whole: one request brings its index and its pages. */
export const WHOLE_FILE_SIZE = 256 * 1024
const MIN_TAIL = 32 * 1024
/** Read from the end of a file at first; what an index has beyond it takes another round trip, in slices of this size. */
const SLICE = 1024 * 1024
/** Read from the beginning of a larger file: its header, and the schema and the roots of the first tables of a snapshot. */
const HEAD = 64 * 1024

/** What is needed of a client to read files. */
export interface FileReader {
  readonly url: string
  read(file: LtxFileInfo, range: ByteRange, options?: ReadOptions): Promise<ReadResult>
}

/** Bytes of a file that were read with its index. */
export interface FilePiece {
  /** Where they lie in the file. */
  readonly offset: number
  readonly bytes: Uint8Array
}

/** A frame that came along with an index. */
export interface LoadedFrame {
  readonly pgno: number
  readonly offset: number
  readonly size: number
}

/** Header and page index of a file, the index as it stands in the file: decoded once, when it is entered into a page map. */
export class FileIndex {
  readonly info: LtxFileInfo
  readonly header: LtxHeader
  readonly pieces: readonly FilePiece[]
  /** Frames that lie in the pieces; known once the index was entered into a map. */
  readonly frames: LoadedFrame[] = []
  readonly #label: string
  readonly #offset: number
  /** Given up one by one as they are decoded: an index must not be in memory twice. */
  readonly #slices: Uint8Array[]
  #count = 0

  constructor(
    label: string,
    info: LtxFileInfo,
    header: LtxHeader,
    pieces: readonly FilePiece[],
    index: { readonly offset: number; readonly slices: Uint8Array[] },
  ) {
    this.#label = label
    this.info = info
    this.header = header
    this.pieces = pieces
    this.#offset = index.offset
    this.#slices = index.slices
  }

  /** Enters every frame into a page map; calls `onPages` with page numbers as they come, ascending. Only once. Throws LTX_CORRUPT. */
  mapInto(target: PageMapTarget, onPages?: (pgnos: Uint32Array) => void): void {
    const reader = new PageIndexReader(this.#label, this.#offset)
    const pieces = Float64Array.from(this.pieces.flatMap(({ offset, bytes }) => [offset, offset + bytes.length]))
    this.#slices.reverse()
    for (let slice = this.#slices.pop(); slice; slice = this.#slices.pop()) {
      const { came, pgnos } = reader.map(slice, target, pieces, onPages !== undefined)
      for (let i = 0; i < came.length; i += 3) {
        this.frames.push({ pgno: came[i], offset: came[i + 1], size: came[i + 2] })
      }
      onPages?.(pgnos)
    }
    reader.end()
    this.#count = reader.count
  }

  /** All of it, decoded. Only once, too. Throws LTX_CORRUPT. */
  decode(): PageIndex {
    const bytes = this.#slices.length === 1 ? this.#slices[0] : Buffer.concat(this.#slices)
    return decodePageIndex(bytes, this.#label, this.#offset)
  }

  /** Pages of the file; known once the index was entered into a map. */
  get count(): number {
    return this.#count
  }
}

/**
 * An index takes some 7 bytes a page and a compressed page some 2,000: 1/128 of the file nearly always holds it. Of a very large
 * file only so much as is sure to be of use.
 */
function tailGuess(size: number): number {
  return Math.min(size, SLICE, Math.max(MIN_TAIL, Math.ceil(size / 128)))
}

/**
 * Reads header and page index of a file: one round trip, or two for an index that is larger than guessed. `whole`: bytes of a file
 * that is read at once, with all its pages.
 */
export async function loadFileIndex(
  client: FileReader,
  info: LtxFileInfo,
  signal?: AbortSignal,
  whole = WHOLE_FILE_SIZE,
): Promise<FileIndex> {
  const label = `${client.url} ${fileLabel(info)}`
  const options = signal ? { signal } : {}
  const [head, tail] =
    info.size <= whole
      ? Array(2).fill(await client.read(info, { offset: 0 }, options))
      : await Promise.all([
          client.read(info, { offset: 0, length: HEAD }, options),
          client.read(info, { suffix: tailGuess(info.size) }, options),
        ])
  const header = decodeHeader(head.data, label)
  const { fileSize } = tail
  const { indexOffset, indexSize } = parseTailPlaces(tail.data, fileSize, label)
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
  return new FileIndex(label, info, header, pieces, { offset: indexOffset, slices })
}

/** The page index of a file, decoded. */
export async function readFileIndex(client: FileReader, info: LtxFileInfo, signal?: AbortSignal): Promise<PageIndex> {
  return (await loadFileIndex(client, info, signal)).decode()
}
