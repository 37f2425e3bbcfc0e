import { corrupt } from '../ltx/corrupt.js'
import { type DecodeOptions, decodeLtx, type LtxDecoding } from '../ltx/decoder.js'
import { HEADER_SIZE } from '../ltx/format.js'
import type { LtxHeader } from '../ltx/header.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import { checkListed, checkNotCut, checkSize } from './file-check.js'

const SQLITE_MAGIC = Buffer.from('SQLite format 3\0')
/**
 * Offset in bytes of the page size in the database header. The header stores the page size 65536 as
 * 1.
 */
const PAGE_SIZE_OFFSET = 16

/**
 * Compares page 1 of a database with the header of its LTX file. Returns the first fault, or
 * undefined if `page` is valid.
 */
export function firstPageFault(page: Uint8Array, { pageSize }: LtxHeader): string | undefined {
  if (!SQLITE_MAGIC.equals(page.subarray(0, SQLITE_MAGIC.length))) {
    return 'page 1 is not the first page of an SQLite database'
  }
  const stored = new DataView(page.buffer, page.byteOffset).getUint16(PAGE_SIZE_OFFSET)
  const own = stored === 1 ? 65536 : stored
  if (own === pageSize) return undefined
  return `page 1 has the page size ${own}, but the header of the file has ${pageSize}`
}

/** Compares page 1 of a database with the header of its LTX file. Throws LTX_CORRUPT. */
function checkFirstPage(page: Uint8Array, header: LtxHeader, label: string): void {
  const fault = firstPageFault(page, header)
  if (fault !== undefined) throw corrupt(fault, label, HEADER_SIZE, 1)
}

/**
 * Decodes a whole LTX file of a replica. Makes all checks of `decodeLtx`. Also compares the header
 * with the file's name and size in the listing. Throws LTX_CORRUPT.
 */
export async function decodeListed(
  source: AsyncIterable<Uint8Array>,
  file: LtxFileInfo,
  label: string,
  options?: DecodeOptions,
): Promise<LtxDecoding> {
  checkNotCut(file, label)
  const ltx = await decodeLtx(source, label, options)
  const { header } = ltx
  try {
    checkListed(file, header, label)
  } catch (error) {
    await ltx.cancel()
    throw error
  }
  const batches = (async function* () {
    for await (const batch of ltx.batches) {
      if (batch.pgnos[0] === 1) checkFirstPage(batch.pages, header, label)
      yield batch
    }
    checkSize(file, ltx.trailer!.fileSize, label)
  })()
  return {
    header,
    batches,
    get trailer() {
      return ltx.trailer
    },
    cancel: () => ltx.cancel(),
  }
}
