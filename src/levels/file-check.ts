import { corrupt } from '../ltx/corrupt.js'
import { formatFileName } from '../ltx/file-name.js'
import { SNAPSHOT_LEVEL } from '../ltx/format.js'
import type { LtxHeader } from '../ltx/header.js'
import { MIN_FILE_SIZE } from '../ltx/tail.js'
import type { LtxFileInfo } from '../storage/replica-client.js'

// Checks of a file in a replica, for every reader of one:
//
// - name and listing against header and size: checkListed and checkSize, below;
// - header against trailer: readChecksums (src/ltx/tail.ts);
// - page index against header and page block: PageIndexReader (src/ltx/page-index.ts);
// - page index against frames, and checksum against all bytes: decodeLtx and the frame merger,
//   which read the whole file (decodeListed in decode-listed.ts).
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
