import { LitestreamError } from '../../errors.js'
import type { LtxFileInfo } from '../../storage/replica-client.js'
import type { FileReader } from '../chain/file-index.js'
import { fileLabel } from '../chain/file-table.js'
import type { FetchRange } from '../pages/fetch-plan.js'
import type { CopyFile } from './copy-file.js'
import type { Piece } from './whole-file.js'

export interface Filled {
  /** Page numbers that were written. */
  readonly written: readonly number[]
  readonly piece: Piece
}

/**
 * Reads a range of a file and writes the wanted pages in it to their places in the copy; undefined where the copy was closed
 * meanwhile. Throws LTX_CORRUPT for a frame that is damaged.
 */
export async function fillRange(
  copy: CopyFile,
  client: FileReader,
  info: LtxFileInfo,
  range: FetchRange,
  wanted: ReadonlySet<number>,
  signal: AbortSignal,
): Promise<Filled | undefined> {
  const { data } = await client.read(info, { offset: range.offset, length: range.length }, { signal })
  if (copy.closed) return undefined
  const pages = [...range.pages].sort((a, b) => a.pgno - b.pgno)
  const frames = new Uint32Array(pages.length * 4)
  const written: number[] = []
  for (const [i, { offset, size, pgno }] of pages.entries()) {
    const write = wanted.has(pgno)
    if (write) written.push(pgno)
    frames[i * 4] = offset - range.offset
    frames[i * 4 + 1] = size
    frames[i * 4 + 2] = pgno
    frames[i * 4 + 3] = write ? 1 : 0
  }
  // A transaction that begins meanwhile sees the current view or a newer one, and neither reads these pages from the file.
  const { damaged, crc, length } = await copy.write(data, frames)
  if (damaged < 0) return { written, piece: { range, crc, length } }
  const { pgno, offset } = pages[damaged]
  const file = fileLabel(info)
  throw new LitestreamError('LTX_CORRUPT', `${file}: the frame of page ${pgno} is damaged`, { file, offset, pgno })
}
