import { randomBytes } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { syncDirectory } from '../fs/directory.js'
import { syncHandle } from '../fs/handle.js'
import { openOwn } from '../fs/open-for-writing.js'
import { ownershipLike } from '../fs/owner.js'

// The format of the journal is described at
// https://www.sqlite.org/fileformat2.html#the_rollback_journal
const MAGIC = Buffer.from('d9d505f920a163d7', 'hex')
/** Sector size in the journal header, in bytes. The journal header fills one sector. */
const SECTOR_SIZE = 512

/** Number of bytes of pages that one batch reads and writes to the journal. */
const BATCH_SIZE = 1024 * 1024

/**
 * Returns the checksum of a page in the journal. The checksum is the sum of every 200th byte from
 * the end of the page. After a crash, SQLite uses the checksums of the pages to find out how far
 * the journal was written.
 */
function pageSum(nonce: number, page: Uint8Array): number {
  let sum = nonce
  for (let i = page.length - 200; i > 0; i -= 200) sum += page[i]!
  return sum >>> 0
}

/**
 * Writes a rollback journal beside a database. SQLite would write the same journal before it
 * changes pages. The database has `commit` pages. The pages `pgnos` will be overwritten or
 * truncated. When the promise resolves, the journal is on disk. Unless the journal is deleted
 * first, the next connection restores the pages and the old size of the database. The caller must
 * hold SQLite's exclusive lock.
 */
export async function writeHotJournal(
  database: string,
  handle: FileHandle,
  pageSize: number,
  commit: number,
  pgnos: Uint32Array,
): Promise<void> {
  // The caller holds the exclusive lock, so no other process has a journal. A crash may have left
  // an empty journal.
  const journal = await openOwn(`${database}-journal`, await ownershipLike(database))
  try {
    await journal.truncate(0)
    const nonce = randomBytes(4).readUInt32BE()
    const header = Buffer.alloc(SECTOR_SIZE)
    MAGIC.copy(header)
    header.writeUInt32BE(pgnos.length, 8)
    header.writeUInt32BE(nonce, 12)
    header.writeUInt32BE(commit, 16)
    header.writeUInt32BE(SECTOR_SIZE, 20)
    header.writeUInt32BE(pageSize, 24)
    await journal.writeFile(header)
    const recordSize = 4 + pageSize + 4
    const most = Math.max(1, Math.floor(BATCH_SIZE / recordSize))
    const records = Buffer.alloc(most * recordSize)
    for (let i = 0; i < pgnos.length; i += most) {
      const count = Math.min(most, pgnos.length - i)
      for (let k = 0; k < count; k++) {
        const pgno = pgnos[i + k]!
        const at = k * recordSize
        records.writeUInt32BE(pgno, at)
        await handle.read(records, at + 4, pageSize, (pgno - 1) * pageSize)
        records.writeUInt32BE(pageSum(nonce, records.subarray(at + 4, at + 4 + pageSize)), at + 4 + pageSize)
      }
      await journal.writeFile(records.subarray(0, count * recordSize))
    }
    await syncHandle(journal)
  } finally {
    await journal.close()
  }
  await syncDirectory(path.dirname(path.resolve(database)))
}
