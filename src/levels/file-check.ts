import { corrupt } from '../ltx/corrupt.js'
import { type DecodeOptions, decodeLtx, type LtxDecoding } from '../ltx/decoder.js'
import { formatFileName } from '../ltx/file-name.js'
import { HEADER_SIZE, SNAPSHOT_LEVEL } from '../ltx/format.js'
import type { LtxHeader } from '../ltx/header.js'
import { MIN_FILE_SIZE } from '../ltx/tail.js'
import type { LtxFileInfo } from '../storage/replica-client.js'

// Checks of a file in a replica, for every reader of one:
//
// - name and listing against header and size: checkListed and checkSize, below;
// - header against trailer: readChecksums (src/ltx/tail.ts);
// - page index against header and page block: PageIndexReader (src/ltx/page-index.ts);
// - page index against frames, and checksum against all bytes: decodeLtx and the frame merger,
//   which read the whole file.
//
// checkPlan (src/levels/plan-check.ts) compares the files of a plan with each other.

/** Compares the header of a file with its name and its level. Throws LTX_CORRUPT. */
export function checkListed(file: LtxFileInfo, header: LtxHeader, label: string): void {
  const { level, minTxid, maxTxid } = file
  if (header.minTxid !== minTxid || header.maxTxid !== maxTxid) {
    const [name, own] = [formatFileName(minTxid, maxTxid), formatFileName(header.minTxid, header.maxTxid)]
    throw corrupt(`its header has the TXIDs of ${own}, but its name is ${name}`, label, 16)
  }
  if (level === SNAPSHOT_LEVEL && minTxid !== 1) {
    throw corrupt(`a snapshot begins at TXID 1, but this file of level ${level} begins at ${minTxid}`, label, 16)
  }
}

/**
 * Must be called before a file is read: a store refuses a range of an empty file. Throws
 * LTX_CORRUPT.
 */
export function checkNotCut(file: LtxFileInfo, label: string): void {
  if (file.size >= MIN_FILE_SIZE) return
  throw corrupt(`the file has only ${file.size} bytes; the smallest LTX file has ${MIN_FILE_SIZE}`, label, file.size)
}

/** Compares the size of a file with its listing. Throws LTX_CORRUPT. */
export function checkSize(file: LtxFileInfo, size: number, label: string): void {
  if (size !== file.size) throw corrupt(`the file has ${size} bytes, but the listing says ${file.size}`, label, size)
}

const SQLITE_MAGIC = Buffer.from('SQLite format 3\0')
/** Offset of the page size in the database header, in bytes; the value 1 stands for 65536. */
const PAGE_SIZE_OFFSET = 16

/** Compares page 1 of a database with the header of its LTX file. Throws LTX_CORRUPT. */
function checkFirstPage(page: Uint8Array, { pageSize }: LtxHeader, label: string): void {
  if (!SQLITE_MAGIC.equals(page.subarray(0, SQLITE_MAGIC.length))) {
    throw corrupt('page 1 is not the first page of an SQLite database', label, HEADER_SIZE, 1)
  }
  const stored = new DataView(page.buffer, page.byteOffset).getUint16(PAGE_SIZE_OFFSET)
  const own = stored === 1 ? 65536 : stored
  if (own === pageSize) return
  throw corrupt(`page 1 has the page size ${own}, but the header of the file has ${pageSize}`, label, HEADER_SIZE, 1)
}

/**
 * Decodes a whole file of a replica with every check: decodeLtx, and the file's name and listing.
 * Throws LTX_CORRUPT.
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
