import { fileLabel } from '../ltx/file-label.js'
import { HEADER_SIZE } from '../ltx/format.js'
import { decodeHeader, type LtxHeader } from '../ltx/header.js'
import { decodePageIndex, indexRules, type PageIndex } from '../ltx/page-index.js'
import { parseTail } from '../ltx/tail.js'
import type { LtxFileInfo, RequestOptions } from '../storage/replica-client.js'
import { checkListed, checkNotCut, checkSize } from './file-check.js'
import { denseFrom } from './plan-check.js'
import type { FileReader } from './remote-index.js'

/** Header and page index of a file in a replica. */
export interface FileLayout {
  readonly file: LtxFileInfo
  /** The file's name in messages. */
  readonly label: string
  readonly header: LtxHeader
  readonly index: PageIndex
  readonly postApplyChecksum: bigint
  /** The file has every page of the database after this one. */
  readonly denseFrom: number
  /** Current size of the file in bytes. */
  readonly size: number
  /** The whole file, if it was small enough to be read at once. */
  readonly bytes?: Uint8Array
}

/**
 * Files up to this size are read whole; of larger files the last bytes, which contain most indexes
 * completely.
 */
const TAIL_SIZE = 256 * 1024

/**
 * Reads the positions of a file's pages: one request for a small file, two or three for a large
 * one. Throws LTX_CORRUPT.
 */
export async function readLayout(
  client: FileReader,
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
