import { corrupt } from '../ltx/corrupt.js'
import { HEADER_SIZE } from '../ltx/format.js'
import { decodeHeader, type LtxHeader } from '../ltx/header.js'
import { decodePageIndex, type PageIndex } from '../ltx/page-index.js'
import { parseTail } from '../ltx/tail.js'
import type { LtxFileInfo, ReplicaClient, RequestOptions } from '../storage/replica-client.js'
import { fileLabel } from './file-label.js'

/** Header and page index of a file in a replica. */
export interface FileLayout {
  readonly file: LtxFileInfo
  /** For messages. */
  readonly label: string
  readonly header: LtxHeader
  readonly index: PageIndex
  /** Where the page block ends and the index begins, bytes. */
  readonly indexOffset: number
  /** Bytes of the file as it is now. */
  readonly size: number
  /** All of the file, when it was small enough to come along. */
  readonly bytes?: Uint8Array
}

/** Files up to this size are read in one piece; of larger ones the last bytes, in which most indexes fit whole. */
const TAIL_SIZE = 256 * 1024

/** Reads where the pages of a file lie: one request for a small file, two or three for a large one. Throws LTX_CORRUPT. */
export async function readLayout(
  client: ReplicaClient,
  file: LtxFileInfo,
  options: RequestOptions = {},
): Promise<FileLayout> {
  const label = fileLabel(client, file)
  const { data, offset, fileSize } = await client.read(file, { suffix: TAIL_SIZE }, options)
  const tail = parseTail(data, fileSize, label)
  const head = offset === 0 ? data : (await client.read(file, { offset: 0, length: HEADER_SIZE }, options)).data
  const header = decodeHeader(head, label)
  if (header.minTxid !== file.minTxid || header.maxTxid !== file.maxTxid) {
    throw corrupt('the TXIDs in its header are not those of its name', label, 16)
  }
  const { indexOffset, indexSize } = tail
  const index =
    tail.index ??
    decodePageIndex(
      (await client.read(file, { offset: indexOffset, length: indexSize }, options)).data,
      label,
      indexOffset,
    )
  return { file, label, header, index, indexOffset, size: fileSize, ...(offset === 0 ? { bytes: data } : {}) }
}
