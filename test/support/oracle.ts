import assert from 'node:assert/strict'
import Database from 'better-sqlite3'

/** States of the primary, by life and TXID: what every answer of a replica is compared with. */
export class Oracle {
  readonly #states = new Map<string, Buffer>()
  #open: { key: string; db: Database.Database } | undefined

  /** `life` counts how often the replica was begun anew. */
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

  close(): void {
    this.#open?.db.close()
  }
}
