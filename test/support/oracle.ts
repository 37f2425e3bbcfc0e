import assert from 'node:assert/strict'
import Database from 'better-sqlite3'

/** Bytes of page 1, [first, end). */
const HEADER_OF_ITS_OWN = [
  [18, 20],
  [24, 32],
  [40, 44],
  [92, 100],
] as const

/**
 * States of the primary, by incarnation and TXID, with which every result of a replica is compared.
 */
export class Oracle {
  readonly #states = new Map<string, Buffer>()
  #open: { key: string; db: Database.Database } | undefined

  /** `life` counts the resets of the replica. */
  keep(life: number, txid: number, bytes: Buffer): void {
    this.#states.set(`${life}/${txid}`, bytes)
  }

  answer(life: number, txid: number, sql: string): unknown {
    const key = `${life}/${txid}`
    if (this.#open?.key !== key) {
      this.#open?.db.close()
      const bytes = this.#states.get(key)
      assert.ok(bytes, `TXID ${txid} of life ${life} was never written`)
      this.#open = { key, db: new Database(Buffer.from(bytes)) }
    }
    return this.#open.db.prepare(sql).raw().all()
  }

  /**
   * The pages of a reader's database that differ from this state, and the states that they belong
   * to.
   */
  explain(life: number, txid: number, bytes: Buffer): string {
    const own = this.#states.get(`${life}/${txid}`)
    if (!own) return `TXID ${txid} of life ${life} was never written`
    const pageSize = own.readUInt16BE(16) === 1 ? 65_536 : own.readUInt16BE(16)
    const page = (from: Buffer, i: number) => {
      const one = Buffer.from(from.subarray(i * pageSize, (i + 1) * pageSize))
      // Parts that a replica shows differently: journal mode, change counters, the schema cookie.
      if (i === 0) for (const [first, end] of HEADER_OF_ITS_OWN) one.fill(0, first, end)
      return one
    }
    const wrong = []
    for (let i = 0; i * pageSize < Math.max(own.length, bytes.length); i++) {
      const read = page(bytes, i)
      if (read.equals(page(own, i))) continue
      const states = [...this.#states].filter(([, state]) => read.equals(page(state, i))).map(([key]) => key)
      const zeros = read.every((byte) => byte === 0)
      wrong.push(`page ${i + 1} is of ${states.slice(-3).join(', ') || (zeros ? 'zeros' : 'no state')}`)
    }
    return `life/TXID ${life}/${txid}, ${own.length / pageSize} pages, read ${bytes.length / pageSize}: ${wrong.join('; ') || 'all pages are right'}`
  }

  close(): void {
    this.#open?.db.close()
  }
}
