import { type Cell, readVarint } from './cell.js'
import type { DatabasePages } from './database-pages.js'
import type { PageUsage } from './page-usage.js'
import { TreeWalk } from './walk-tree.js'

export interface SchemaRoot {
  readonly name: string
  readonly type: 'table' | 'index'
  readonly root: number
}

/** Maximum number of bytes that are read from a row of sqlite_schema to find the root page. */
const MAX_ROW = 1024 * 1024

/**
 * Checks the b-tree of sqlite_schema, whose root is page 1, and returns the other b-trees of the
 * database.
 */
export function schemaRoots(pages: DatabasePages, usage: PageUsage): SchemaRoot[] {
  const rows: { readonly page: Buffer; readonly cell: Cell }[] = []
  new TreeWalk(pages, usage, 'sqlite_schema', 'table', (page, cell) => rows.push({ page, cell })).run(1)
  const roots: SchemaRoot[] = []
  for (const [i, { page, cell }] of rows.entries()) {
    const row = parseRow(readPayload(pages, page, cell))
    if (row === undefined) usage.fault(`sqlite_schema: row ${i + 1} cannot be read`)
    else if (row.root !== 0) roots.push(row)
  }
  return roots
}

/** Reads the first bytes of a cell's payload, at most MAX_ROW bytes. */
function readPayload(pages: DatabasePages, page: Buffer, { payload }: Cell): Buffer {
  const { size, local, from, overflow = 0 } = payload!
  const parts = [page.subarray(from, from + local)]
  const wanted = Math.min(size, MAX_ROW)
  let got = local
  for (let pgno = overflow; got < wanted && pgno >= 1 && pgno <= pages.count; ) {
    const next = pages.read(pgno)
    parts.push(next.subarray(4, Math.min(pages.usable, 4 + wanted - got)))
    got += pages.usable - 4
    pgno = next.readUInt32BE(0)
  }
  return Buffer.concat(parts)
}

/**
 * Parses a row of sqlite_schema with the columns type, name, tbl_name, rootpage and sql. The root
 * page is 0 for views, triggers and virtual tables.
 */
export function parseRow(record: Buffer): SchemaRoot | undefined {
  const columns = firstColumns(record, 4)
  if (columns === undefined) return undefined
  const [type, name, , root] = columns
  return {
    type: type!.bytes.toString() === 'index' ? 'index' : 'table',
    name: name!.bytes.toString(),
    root: asInteger(root!),
  }
}

/** One value of a record, with its serial type and its bytes. */
export interface Column {
  readonly serial: number
  readonly bytes: Buffer
}

/**
 * Returns the first `count` values of a record. The rest of the record may be missing. Returns
 * undefined if `record` does not contain all bytes of the first `count` values.
 */
export function firstColumns(record: Buffer, count: number): readonly Column[] | undefined {
  const header = readVarint(record, 0, record.length)
  if (!header || typeof header.value === 'bigint' || header.value > record.length) return undefined
  const serials: number[] = []
  for (let at = header.end; at < header.value && serials.length < count; ) {
    const serial = readVarint(record, at, header.value)
    if (!serial || typeof serial.value === 'bigint') return undefined
    serials.push(serial.value)
    at = serial.end
  }
  if (serials.length < count) return undefined
  let at = header.value
  const columns = serials.map((serial) => {
    const bytes = record.subarray(at, at + serialSize(serial))
    at += serialSize(serial)
    return { serial, bytes }
  })
  return at > record.length ? undefined : columns
}

function serialSize(serial: number): number {
  if (serial >= 12) return Math.floor((serial - 12) / 2)
  return [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0][serial]!
}

/** Returns the value as an integer from 0 to 2^53. Returns 0 for every other value. */
export function asInteger({ serial, bytes }: Column): number {
  if (serial === 9) return 1
  if (serial === 6) {
    const value = Number(bytes.readBigInt64BE())
    return Number.isSafeInteger(value) && value > 0 ? value : 0
  }
  return serial >= 1 && serial <= 5 ? bytes.readUIntBE(0, bytes.length) : 0
}
