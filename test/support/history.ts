import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { LtxEncoder } from '../../src/ltx/encoder.js'
import { lockPgno } from '../../src/ltx/format.js'
import type { LtxFileInfo, ReplicaClient } from '../../src/storage/replica-client.js'

export function hashFile(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

/**
 * A real SQLite database whose every state is written to a replica as one LTX file of level 0, the
 * way a primary does: the first one holds all pages, the others those that differ. A rollback
 * journal keeps the file itself the state.
 */
export class History {
  readonly db: Database.Database
  readonly #file: string
  readonly #client: ReplicaClient
  #previous = Buffer.alloc(0)
  txid = 0
  /** Time of the newest state, in milliseconds since the epoch. */
  time = 1_700_000_000_000
  /** SHA-256 of the database file, by TXID. */
  readonly hashes = new Map<number, string>()
  readonly times = new Map<number, number>()

  constructor(file: string, client: ReplicaClient, pageSize = 4096) {
    this.#file = file
    this.#client = client
    this.db = new Database(file)
    this.db.pragma(`page_size=${pageSize}`)
    this.db.pragma('auto_vacuum=incremental')
    this.db.pragma('synchronous=off')
  }

  /** Returns the pages of the newest state. */
  get bytes(): Buffer {
    return this.#previous
  }

  get pageSize(): number {
    return this.#previous.readUInt16BE(16) === 1 ? 65536 : this.#previous.readUInt16BE(16)
  }

  /**
   * Runs SQL, and writes the state that it leaves to level 0; `advance`: how much later than the
   * last one, in ms; `onState`: receives the state before a reader can read it.
   */
  async commit(sql: string, advance = 1000, onState?: (bytes: Buffer, txid: number) => void): Promise<LtxFileInfo> {
    this.db.exec(sql)
    const bytes = readFileSync(this.#file)
    // A database of another page size has nothing in common with what it was.
    const samePageSize = this.#previous.length > 0 && bytes.readUInt16BE(16) === this.#previous.readUInt16BE(16)
    const before = samePageSize ? this.#previous : Buffer.alloc(0)
    this.#previous = bytes
    this.txid++
    this.time += advance
    this.hashes.set(this.txid, createHash('sha256').update(bytes).digest('hex'))
    this.times.set(this.txid, this.time)
    onState?.(bytes, this.txid)
    const { pageSize } = this
    const changed = (pgno: number) => {
      const at = (pgno - 1) * pageSize
      return (
        at >= before.length ||
        Buffer.compare(before.subarray(at, at + pageSize), bytes.subarray(at, at + pageSize)) !== 0
      )
    }
    return this.#write(0, this.txid, this.txid, changed)
  }

  /** Resets the replica, as if it had been deleted: the next state is TXID 1 and has all pages. */
  restart(sql: string): Promise<LtxFileInfo> {
    this.txid = 0
    this.#previous = Buffer.alloc(0)
    return this.commit(sql)
  }

  /** Writes a snapshot of the newest state to level 9. */
  snapshot(): Promise<LtxFileInfo> {
    return this.#write(9, 1, this.txid, () => true)
  }

  #write(level: number, minTxid: number, maxTxid: number, wanted: (pgno: number) => boolean): Promise<LtxFileInfo> {
    const bytes = this.#previous
    const { pageSize } = this
    const commit = bytes.length / pageSize
    const encoder = new LtxEncoder({ pageSize, commit, minTxid, maxTxid, timestamp: this.time })
    const body = function* () {
      yield encoder.start()
      let pgnos: number[] = []
      const flush = () => {
        const pages = pgnos.map((pgno) => bytes.subarray((pgno - 1) * pageSize, pgno * pageSize))
        const frames = encoder.pages(Uint32Array.from(pgnos), Buffer.concat(pages))
        pgnos = []
        return frames
      }
      for (let pgno = 1; pgno <= commit; pgno++) {
        if (pgno !== lockPgno(pageSize) && wanted(pgno)) pgnos.push(pgno)
        if (pgnos.length === 256) yield flush()
      }
      yield flush()
      yield encoder.finish()
    }
    const stream = (async function* () {
      yield* body()
    })()
    return this.#client.write({ level, minTxid, maxTxid }, stream, { timestamp: this.time })
  }

  close(): void {
    this.db.close()
  }
}
