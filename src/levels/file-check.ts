import { corrupt } from '../ltx/corrupt.js'
import { formatFileName } from '../ltx/file-name.js'
import { SNAPSHOT_LEVEL } from '../ltx/format.js'
import type { LtxHeader } from '../ltx/header.js'
import { MIN_FILE_SIZE } from '../ltx/tail.js'
import type { LtxFileInfo } from '../storage/replica-client.js'

// The checks of a replica's files. Each program part that reads a replica makes some of these
// checks.
//
// - checkListed and checkSize (in src/levels/file-check.ts) compare the header and the size of a
//   file with its name and its listing.
// - readChecksums (src/ltx/tail.ts) compares the header with the trailer.
// - PageIndexReader (src/ltx/page-index.ts) compares the page index with the header and the page
//   block.
// - decodeListed (decode-listed.ts) and the frame merger read the whole file, compare the page
//   index with the frames, and verify the checksum.
// - checkPlan (plan-check.ts) compares the files of a restore plan with each other.

/**
 * Compares the header of an LTX file with the name and the level of the file. Throws LTX_CORRUPT.
 */
export function checkListed(file: LtxFileInfo, header: LtxHeader, label: string): void {
  const { level, minTxid, maxTxid } = file
  if (header.minTxid !== minTxid || header.maxTxid !== maxTxid) {
    const [name, own] = [formatFileName(minTxid, maxTxid), formatFileName(header.minTxid, header.maxTxid)]
    throw corrupt(`the header of the file has the TXIDs of ${own}, but the name of the file is ${name}`, label, 16)
  }
  if (level === SNAPSHOT_LEVEL && minTxid !== 1) {
    throw corrupt(`a snapshot begins at TXID 1, but this file of level ${level} begins at ${minTxid}`, label, 16)
  }
}

/**
 * Throws LTX_CORRUPT for a file whose listed size is too small for an LTX file. Must be called
 * before the file is read, because a store rejects a range of an empty file.
 */
export function checkNotCut(file: LtxFileInfo, label: string): void {
  if (file.size >= MIN_FILE_SIZE) return
  throw corrupt(`the file has only ${file.size} bytes; the smallest LTX file has ${MIN_FILE_SIZE}`, label, file.size)
}

/** Compares the size of a file with the size in its listing. Throws LTX_CORRUPT. */
export function checkSize(file: LtxFileInfo, size: number, label: string): void {
  if (size !== file.size) throw corrupt(`the file has ${size} bytes, but the listing says ${file.size}`, label, size)
}
