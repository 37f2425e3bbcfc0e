import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import Database from 'better-sqlite3'
import { lockPgno } from '../../src/ltx/format.js'

/**
 * A valid database of `pages` pages of which nearly all are free, so that the file is sparse and
 * takes no room. New rows go to the pages at its end: the first trunk of the free list names those.
 */
export function makeSparseDatabase(file: string, pageSize: number, pages: number): Database.Database {
  const small = new Database(file)
  small.pragma(`page_size=${pageSize}`)
  small.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
  const used = small.pragma('page_count', { simple: true }) as number
  small.close()

  const fd = openSync(file, 'r+')
  ftruncateSync(fd, pages * pageSize)
  const lock = lockPgno(pageSize)
  const free = []
  for (let pgno = used + 1; pgno <= pages; pgno++) if (pgno !== lock) free.push(pgno)
  // A trunk holds the numbers of as many leaves as SQLite itself writes to one; SQLite takes leaves
  // from the first trunk first.
  const leavesPerTrunk = pageSize / 4 - 8
  const trunks: { pgno: number; leaves: number[] }[] = []
  let at = 0
  while (at < free.length) {
    const pgno = free[at++]
    trunks.push({ pgno, leaves: free.slice(at, at + leavesPerTrunk) })
    at += leavesPerTrunk
  }
  trunks.reverse()
  trunks.forEach(({ pgno, leaves }, i) => {
    const page = Buffer.alloc(8 + leaves.length * 4)
    page.writeUInt32BE(trunks[i + 1]?.pgno ?? 0, 0)
    page.writeUInt32BE(leaves.length, 4)
    leaves.forEach((leaf, j) => {
      page.writeUInt32BE(leaf, 8 + j * 4)
    })
    writeSync(fd, page, 0, page.length, (pgno - 1) * pageSize)
  })
  const header = Buffer.alloc(100)
  readSync(fd, header, 0, 100, 0)
  header.writeUInt32BE(pages, 28)
  header.writeUInt32BE(trunks[0].pgno, 32)
  header.writeUInt32BE(free.length, 36)
  writeSync(fd, header, 0, 100, 0)
  closeSync(fd)
  return new Database(file)
}
