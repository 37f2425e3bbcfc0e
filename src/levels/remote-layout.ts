import { HEADER_SIZE } from '../ltx/format.js'
import { decodeHeader, type LtxHeader } from '../ltx/header.js'
import { decodePageIndex, indexRules, type PageIndex } from '../ltx/page-index.js'
import { parseTail } from '../ltx/tail.js'
import type { LtxFileInfo, ReplicaClient, RequestOptions } from '../storage/replica-client.js'
import { checkListed, checkNotCut, checkSize } from './file-check.js'
import { fileLabel } from './file-label.js'
import { denseFrom } from './plan-check.js'

/** Header and page index of a file in a replica. */
export interface FileLayout {
  readonly file: LtxFileInfo
  /** For messages. */
  readonly label: string
  readonly header: LtxHeader
  readonly index: PageIndex
  readonly postApplyChecksum: bigint
  /** From the page after this one on, every page of the database is in the file. */
  readonly denseFrom: number
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
  checkNotCut(file, label)
  const { data, offset, fileSize } = await client.read(file, { suffix: TAIL_SIZE }, options)
  checkSize(file, fileSize, label)
  const head = offset === 0 ? data : (await client.read(file, { offset: 0, length: HEADER_SIZE }, options)).data
  const header = decodeHeader(head, label)
  checkListed(file, header, label)
  const { indexOffset, indexSize, postApplyChecksum, index: found } = parseTail(data, fileSize, header, label)
  const readIndex = async () => {
    const { data } = await client.read(file, { offset: indexOffset, length: indexSize }, options)
    return decodePageIndex(data, label, indexOffset, indexRules(header))
  }
  const index = found ?? (await readIndex())
  const bytes = offset === 0 ? { bytes: data } : {}
  return {
    file,
    label,
    header,
    index,
    postApplyChecksum,
    denseFrom: denseFrom(header, index),
    size: fileSize,
    ...bytes,
  }
}
