import { LitestreamError } from '../../errors.js'
import { decodeHeader, type LtxHeader } from '../../ltx/header.js'
import { decodePageIndex, type PageIndex } from '../../ltx/page-index.js'
import { parseTail } from '../../ltx/tail.js'
import type { LtxFileInfo, ReplicaClient } from '../../storage/replica-client.js'
import { fileLabel } from './file-table.js'
import { MAX_FRAME_OFFSET, MAX_FRAME_SIZE } from './page-map.js'

/** A file of at most this size is read whole: one request brings its index and its pages. */
export const WHOLE_FILE_SIZE = 256 * 1024
const MIN_TAIL = 32 * 1024
/** Read from the beginning of a larger file: its header, and the schema and the roots of the first tables of a snapshot. */
const HEAD = 64 * 1024

export interface IndexedFile {
  readonly info: LtxFileInfo
  readonly header: LtxHeader
  readonly index: PageIndex
  /** The file from its first byte on, as far as it was read. */
  readonly bytes: Uint8Array
}

/** An index takes some 7 bytes a page and a compressed page some 2,000: 1/128 of the file nearly always holds it, in one read. */
function tailGuess(size: number): number {
  return Math.min(size, Math.max(MIN_TAIL, Math.ceil(size / 128)))
}

/** A frame that no page can need, or that lies where the page map cannot point to. */
function checkFrames(index: PageIndex, label: string): PageIndex {
  for (let i = 0; i < index.count; i++) {
    if (index.sizes[i] <= MAX_FRAME_SIZE && index.offsets[i] <= MAX_FRAME_OFFSET) continue
    throw new LitestreamError(
      'LTX_CORRUPT',
      `${label}: the page index gives page ${index.pgnos[i]} an impossible frame of ${index.sizes[i]} bytes`,
      { file: label, offset: index.offsets[i], pgno: index.pgnos[i] },
    )
  }
  return index
}

/** Reads header and page index of a file: one round trip, or two for an index that is larger than guessed. */
export async function readFileIndex(
  client: ReplicaClient,
  info: LtxFileInfo,
  signal?: AbortSignal,
): Promise<IndexedFile> {
  const label = `${client.url} ${fileLabel(info)}`
  const options = signal ? { signal } : {}
  if (info.size <= WHOLE_FILE_SIZE) {
    const { data, fileSize } = await client.read(info, { offset: 0 }, options)
    const header = decodeHeader(data, label)
    const tail = parseTail(data, fileSize, label)
    return { info, header, index: checkFrames(tail.index as PageIndex, label), bytes: data }
  }
  const [head, tail] = await Promise.all([
    client.read(info, { offset: 0, length: HEAD }, options),
    client.read(info, { suffix: tailGuess(info.size) }, options),
  ])
  const header = decodeHeader(head.data, label)
  const parsed = parseTail(tail.data, tail.fileSize, label)
  if (parsed.index) return { info, header, index: checkFrames(parsed.index, label), bytes: head.data }
  const rest = await client.read(info, { offset: parsed.indexOffset, length: parsed.indexSize }, options)
  return {
    info,
    header,
    index: checkFrames(decodePageIndex(rest.data, label, parsed.indexOffset), label),
    bytes: head.data,
  }
}
