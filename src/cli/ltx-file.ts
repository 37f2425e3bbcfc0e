import { open } from 'node:fs/promises'
import { LitestreamError } from '../errors.js'
import { HEADER_SIZE } from '../ltx/format.js'
import { decodeHeader, type LtxHeader } from '../ltx/header.js'
import { decodePageIndex, type PageIndex } from '../ltx/page-index.js'
import { type LtxTail, parseTail } from '../ltx/tail.js'

/** What a local LTX file says about itself, without its pages. */
export interface LtxFileSummary {
  readonly header: LtxHeader
  readonly tail: LtxTail
  readonly index: PageIndex
  /** Bytes. */
  readonly size: number
}

/** Large enough for the index of most files, so that one read of the end does. */
const TAIL_BYTES = 64 * 1024

export function fileError(path: string, cause: unknown): LitestreamError {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'ENOENT') return new LitestreamError('NOT_FOUND', `no such file: ${path}`, { cause, file: path })
  if (code === 'EACCES') return new LitestreamError('ACCESS_DENIED', `may not read ${path}`, { cause, file: path })
  return new LitestreamError('INVALID_ARGUMENT', `cannot read ${path}: ${message}`, { cause, file: path })
}

/** Throws LTX_CORRUPT for a file that is no LTX file, NOT_FOUND and ACCESS_DENIED. */
export async function readLtxFile(path: string): Promise<LtxFileSummary> {
  const handle = await open(path).catch((cause: unknown) => {
    throw fileError(path, cause)
  })
  try {
    const { size } = await handle.stat()
    const read = async (offset: number, length: number) => {
      const bytes = new Uint8Array(Math.min(length, size - offset))
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset).catch((cause: unknown) => {
        throw fileError(path, cause)
      })
      return bytes.subarray(0, bytesRead)
    }
    const header = decodeHeader(await read(0, HEADER_SIZE), path)
    const tail = parseTail(await read(Math.max(0, size - TAIL_BYTES), TAIL_BYTES), size, path)
    const index = tail.index ?? decodePageIndex(await read(tail.indexOffset, tail.indexSize), path, tail.indexOffset)
    return { header, tail, index, size }
  } finally {
    await handle.close()
  }
}
