import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import Database from 'better-sqlite3'
import { LtxEncoder } from '../../src/ltx/encoder.js'
import { formatFileName } from '../../src/ltx/file-name.js'
import { lockPgno } from '../../src/ltx/format.js'
import { putFile } from './put-file.js'

export interface LargeSnapshot {
  /** The snapshot's path. */
  readonly file: string
  readonly commit: number
  /** Size of the file in bytes. */
  readonly size: number
}

const BATCH = 2048

export interface LargeTable {
  readonly rows: number
  readonly pageSize: number
  /** Returns the value of a row, from 0 to 2^32 - 1. Default `largeTableValue`. */
  readonly value?: (id: number) => number
}

/**
 * Writes a snapshot of a database with one table of `rows` rows to the replica in `directory`, one
 * row per leaf page: `t (id INTEGER PRIMARY KEY, v INTEGER)`. The pages are written in the order of
 * the keys, and each interior page precedes its children. A frame has about 50 bytes, so that a file
 * of 2 GB stands for a database of 100 GB. SQLite itself would need hours for such a database.
 */
export function writeLargeSnapshot(
  directory: string,
  { maxTxid = 1, ...table }: LargeTable & { readonly maxTxid?: number },
): LargeSnapshot {
  const { pageSize } = table
  const tree = new Tree(table)
  const folder = path.join(directory, 'ltx', '9')
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, formatFileName(1, maxTxid))
  const encoder = new LtxEncoder({ pageSize, commit: tree.commit, minTxid: 1, maxTxid })
  const output = openSync(file, 'w')
  try {
    writeSync(output, encoder.start())
    const pages = Buffer.alloc(BATCH * pageSize)
    const pgnos = new Uint32Array(BATCH)
    let count = 0
    const flush = () => {
      if (count > 0) writeSync(output, encoder.pages(pgnos.slice(0, count), pages.subarray(0, count * pageSize)))
      count = 0
    }
    for (const write of tree.pages()) {
      const page = pages.subarray(count * pageSize, (count + 1) * pageSize)
      pgnos[count] = write(page)
      if (++count === BATCH) flush()
    }
    flush()
    writeSync(output, encoder.finish())
  } finally {
    closeSync(output)
  }
  setTime(file, encoder)
  return { file, commit: tree.commit, size: statSync(file).size }
}

/** Writes an L0 file with the pages of these rows to the replica. */
export function writeLargeUpdate(directory: string, table: LargeTable, txid: number, ids: readonly number[]): void {
  const { pageSize } = table
  const tree = new Tree(table)
  const encoder = new LtxEncoder({ pageSize, commit: tree.commit, minTxid: txid, maxTxid: txid })
  const parts = [encoder.start()]
  for (const id of ids.toSorted((a, b) => a - b)) {
    const page = Buffer.alloc(pageSize)
    const pgno = tree.leaf(page, id)
    parts.push(encoder.pages(Uint32Array.of(pgno), page))
  }
  const file = path.join(directory, 'ltx', '0', formatFileName(txid, txid))
  putFile(file, Buffer.concat([...parts, encoder.finish()]))
  setTime(file, encoder)
}

/** A file of a replica has the time of its header. */
function setTime(file: string, { header }: LtxEncoder): void {
  utimesSync(file, header.timestamp / 1000, header.timestamp / 1000)
}

export function largeTableValue(id: number): number {
  return (id * 7) % 1000003
}

/** Writes one page and returns its number. */
type WritePage = (page: Buffer) => number

class Tree {
  readonly commit: number
  readonly #rows: number
  readonly #pageSize: number
  readonly #value: (id: number) => number
  readonly #lock: number
  /** Children of an interior page. */
  readonly #fan: number
  readonly #height: number
  /** Pages of a full subtree by height. */
  readonly #full: number[] = [1]

  constructor({ rows, pageSize, value = largeTableValue }: LargeTable) {
    this.#rows = rows
    this.#pageSize = pageSize
    this.#value = value
    this.#lock = lockPgno(pageSize)
    this.#fan = Math.floor((pageSize - 100) / 11)
    let height = 0
    for (let leaves = 1; leaves < rows; leaves *= this.#fan) {
      height++
      this.#full.push(1 + this.#fan * this.#full[height - 1]!)
    }
    this.#height = height
    this.commit = this.#pgno(1 + this.#size(rows, height))
  }

  *pages(): Generator<WritePage> {
    yield (page) => {
      schemaPage(this.#pageSize, this.commit).copy(page)
      return 1
    }
    yield* this.#subtree(1, this.#rows, this.#height, 2)
  }

  /** The number of the page in this place; the lock page takes no place. */
  #pgno(place: number): number {
    return place >= this.#lock ? place + 1 : place
  }

  /** Pages of a subtree with this many leaves. */
  #size(leaves: number, height: number): number {
    if (height === 0) return 1
    const each = this.#fan ** (height - 1)
    const [whole, rest] = [Math.floor(leaves / each), leaves % each]
    return 1 + whole * this.#full[height - 1]! + (rest > 0 ? this.#size(rest, height - 1) : 0)
  }

  *#subtree(first: number, leaves: number, height: number, place: number): Generator<WritePage> {
    if (height === 0) {
      yield (page) => this.#leaf(page, first, place)
      return
    }
    const each = this.#fan ** (height - 1)
    const children: { readonly place: number; readonly first: number; readonly leaves: number }[] = []
    let at = place + 1
    for (let done = 0; done < leaves; done += each) {
      const own = Math.min(each, leaves - done)
      children.push({ place: at, first: first + done, leaves: own })
      at += this.#size(own, height - 1)
    }
    yield (page) => {
      page.fill(0)
      page.writeUInt8(5, 0)
      page.writeUInt16BE(children.length - 1, 3)
      let end = this.#pageSize
      children.slice(0, -1).forEach((child, i) => {
        const cell = [...u32(this.#pgno(child.place)), ...varint(child.first + child.leaves - 1)]
        end -= cell.length
        page.set(cell, end)
        page.writeUInt16BE(end, 12 + 2 * i)
      })
      page.writeUInt16BE(end, 5)
      page.writeUInt32BE(this.#pgno(children.at(-1)!.place), 8)
      return this.#pgno(place)
    }
    for (const child of children) yield* this.#subtree(child.first, child.leaves, height - 1, child.place)
  }

  /** Writes the leaf of a row and returns its page number. */
  leaf(page: Buffer, id: number): number {
    let [place, first] = [2, 1]
    for (let height = this.#height; height > 0; height--) {
      const child = Math.floor((id - first) / this.#fan ** (height - 1))
      place += 1 + child * this.#full[height - 1]!
      first += child * this.#fan ** (height - 1)
    }
    return this.#leaf(page, id, place)
  }

  #leaf(page: Buffer, id: number, place: number): number {
    page.fill(0)
    const cell = [7, ...varint(id), 3, 0, 4, ...u32(this.#value(id))]
    const at = this.#pageSize - cell.length
    page.writeUInt8(13, 0)
    page.writeUInt16BE(1, 3)
    page.writeUInt16BE(at, 5)
    page.writeUInt16BE(at, 8)
    page.set(cell, at)
    return this.#pgno(place)
  }
}

function u32(n: number): number[] {
  return [n >>> 24, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff]
}

/** SQLite's varint: 7 bits per byte, the high bits first. */
function varint(n: number): number[] {
  const bytes = [n % 0x80]
  for (let rest = Math.floor(n / 0x80); rest > 0; rest = Math.floor(rest / 0x80)) bytes.unshift((rest % 0x80) | 0x80)
  return bytes
}

function schemaPage(pageSize: number, commit: number): Buffer {
  const folder = mkdtempSync(path.join(tmpdir(), 'litestream-large-'))
  try {
    const file = path.join(folder, 'schema.db')
    const db = new Database(file)
    db.pragma(`page_size = ${pageSize}`)
    db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)')
    db.close()
    const page = readFileSync(file).subarray(0, pageSize)
    page.writeUInt32BE(commit, 28)
    return page
  } finally {
    rmSync(folder, { recursive: true })
  }
}
