import { type BtreePage, parsePage } from '../integrity/btree/parse-page.js'
import { asInteger, firstColumns, parseRow } from '../integrity/btree/schema-roots.js'
import type { PageSource } from './page-source.js'

/** Maximum number of schema pages that are read to find one table. */
const MAX_SCHEMA_PAGES = 1000
const SEQUENCE_ROW = 1
const LINEAGE_ROW = 2

/**
 * The identity of a database (see primary/source/litestream-tables.ts). If no primary has written
 * an identity to the database, the lineage and the sequence are 0.
 */
export interface StoredIdentity {
  /** The lineage number, which is the same in all copies of one database. */
  readonly lineage: number
  /** The number of times that a primary has written to the database. */
  readonly sequence: number
}

const NONE: StoredIdentity = { lineage: 0, sequence: 0 }

/**
 * Reads rows 1 and 2 of the table `_litestream_seq` from the pages of a database, without SQLite.
 * If the table does not exist or its pages are damaged, both numbers are 0. Throws the errors of
 * `source`.
 */
export async function readIdentity(source: PageSource): Promise<StoredIdentity> {
  // SQLite requires at least 480 usable bytes per page.
  const usable = Math.max(480, source.pageSize - (await source.read(1))[20]!)
  const readPage = async (pgno: number): Promise<BtreePage | undefined> => {
    if (pgno < 1 || pgno > source.commit) return undefined
    const page = parsePage(await source.read(pgno), pgno, 'table', usable)
    return typeof page === 'string' ? undefined : page
  }
  const root = await rootOf(readPage, '_litestream_seq')
  const page = root === undefined ? undefined : await readPage(root)
  if (!page?.isLeaf) return NONE
  const values = new Map<number, number>()
  for (const { rowid, payload } of page.cells) {
    const { from, local } = payload!
    const [, value] = firstColumns(page.bytes.subarray(from, from + local), 2) ?? []
    if (typeof rowid === 'number' && value) values.set(rowid, asInteger(value))
  }
  return { lineage: values.get(LINEAGE_ROW) ?? 0, sequence: values.get(SEQUENCE_ROW) ?? 0 }
}

/** Finds the root page of a table by reading the pages of sqlite_schema. */
async function rootOf(
  readPage: (pgno: number) => Promise<BtreePage | undefined>,
  table: string,
): Promise<number | undefined> {
  const waiting = [1]
  const seen = new Set(waiting)
  for (let pgno = waiting.pop(); pgno !== undefined && seen.size <= MAX_SCHEMA_PAGES; pgno = waiting.pop()) {
    const page = await readPage(pgno)
    if (!page) continue
    if (!page.isLeaf) {
      for (const child of [...page.cells.map((cell) => cell.child!), page.rightChild]) {
        if (seen.has(child)) continue
        seen.add(child)
        waiting.push(child)
      }
      continue
    }
    for (const { payload } of page.cells) {
      const row = parseRow(page.bytes.subarray(payload!.from, payload!.from + payload!.local))
      if (row?.name === table && row.type === 'table' && row.root > 0) return row.root
    }
  }
  return undefined
}
