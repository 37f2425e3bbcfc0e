import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { formatTxid } from '../../src/ltx/txid.js'
import type { Oracle } from './oracle.js'
import type { Random } from './random.js'
import { randomQuery } from './random-writer.js'

export type Answer = {
  /**
   * Whether a transaction is open after the statement, because an I/O error ends a transaction. an
   * I/O error ends one.
   */
  readonly inTransaction: boolean
} & ({ readonly rows: unknown[][] } | { readonly code: string; readonly message: string; readonly why: string })

/** A connection to a replica, on this thread or on a separate one. */
export interface Asker {
  ask(sql: string): Answer | Promise<Answer>
  /** The whole database as it sees it, where it can tell. */
  serialize?(): Promise<Buffer>
  close(): unknown
}

export interface ComparedCounts {
  answers: number
  refused: number
  travels: number
}

export interface ComparedReaderOptions {
  readonly oracle: Oracle
  readonly counts: ComparedCounts
  readonly connect: () => Asker | Promise<Asker>
  /** Messages of litestream_error() with which a read may fail. */
  readonly allowed: RegExp
  /** Whether the reader must never see an older TXID than before, except by time travel. */
  readonly onwards?: boolean
}

/** Statements that the message of an unexpected error includes. */
const REMEMBERED = 8

/** The incarnation of the newest answer is stored in the database itself: a table of one row. */
const LIFE = 'SELECT litestream_txid(), (SELECT n FROM life)'

/**
 * A reader that begins and ends transactions, travels in time and queries at random, and compares
 * every result with the primary's at that TXID. A read may fail; a result is never wrong, and a
 * transaction never sees two states.
 */
export class ComparedReader {
  readonly #options: ComparedReaderOptions
  #asker: Asker
  #inTransaction = false
  #travelled: string | undefined
  /** What the open transaction reads. */
  #state: string | undefined
  #newest = 0
  /** The last statements and what came of them, for messages. */
  readonly #asked: string[] = []
  /** What the last answer of an open transaction was of. */
  #place: readonly [life: number, txid: number] | undefined

  private constructor(options: ComparedReaderOptions, asker: Asker) {
    this.#options = options
    this.#asker = asker
  }

  static async open(options: ComparedReaderOptions): Promise<ComparedReader> {
    return new ComparedReader(options, await options.connect())
  }

  /** May change its transaction or its position in time, then queries a few times. */
  async step(random: Random, newest: number): Promise<void> {
    if (this.#inTransaction) {
      if (random.chance(0.4)) await this.#run('COMMIT')
    } else if (random.chance(0.3)) {
      await this.#run('BEGIN')
    } else {
      if (random.chance(0.15)) await this.#travel(random, newest)
      if (random.chance(0.05)) await this.reconnect()
    }
    for (let i = random.integer(1, 4); i > 0; i--) await this.compare(randomQuery(random))
  }

  async reconnect(): Promise<void> {
    await this.#asker.close()
    this.#inTransaction = false
    this.#travelled = undefined
    this.#asker = await this.#options.connect()
  }

  /** Ends what is open, and goes back to the newest state. */
  async settle(): Promise<void> {
    if (this.#inTransaction) await this.#run('COMMIT')
    if (this.#travelled === undefined) return
    await this.#run("SELECT litestream_set_time('LATEST')")
    this.#travelled = undefined
  }

  /** Queries within one transaction, a new one if none is open; true if it succeeded. */
  async compare(sql: string): Promise<boolean> {
    const { oracle, counts } = this.#options
    const own = !this.#inTransaction
    if (own) await this.#run('BEGIN')
    try {
      const place = await this.#run(LIFE)
      const [txid, life] = [Number.parseInt(String(place?.[0][0]), 16), Number(place?.[0][1])]
      this.#place = place && [life, txid]
      const rows = place && (await this.#run(sql))
      if (!place || !rows) {
        counts.refused++
        return false
      }
      const state = `TXID ${txid} of life ${life}`
      const right = oracle.answer(life, txid, sql)
      if (!isDeepStrictEqual(rows, right)) assert.deepEqual(rows, right, await this.#explain(`${sql} at ${state}`))
      if (this.#state !== undefined) assert.equal(state, this.#state, 'a transaction saw two states')
      if (this.#travelled !== undefined) assert.equal(formatTxid(txid), this.#travelled)
      else if (this.#options.onwards) {
        assert.ok(txid >= this.#newest, `TXID ${txid} after ${this.#newest}`)
        this.#newest = txid
      }
      if (!own) this.#state = state
      counts.answers++
      return true
    } finally {
      if (own && this.#inTransaction) await this.#run('COMMIT')
    }
  }

  async #explain(what: string): Promise<string> {
    const lines = [what, ...this.#asked]
    if (this.#inTransaction && this.#place && this.#asker.serialize) {
      lines.push(this.#options.oracle.explain(...this.#place, await this.#asker.serialize()))
    }
    return lines.join('\n')
  }

  async #travel(random: Random, newest: number): Promise<void> {
    const target = random.chance(0.3) ? 'LATEST' : formatTxid(random.integer(Math.max(1, newest - 20), newest))
    const answer = await this.#asker.ask(`SELECT litestream_set_time('${target}')`)
    if ('rows' in answer) {
      this.#options.counts.travels++
      this.#travelled = target === 'LATEST' ? undefined : target
    } else {
      assert.match(
        answer.message,
        /no (matching )?backup files (available|found)|^disk I\/O error|in time|not running|exited/,
      )
      this.#options.counts.refused++
    }
  }

  /** Rows, or undefined if the read failed in a permitted way. */
  async #run(sql: string): Promise<unknown[][] | undefined> {
    const answer = await this.#asker.ask(sql)
    this.#inTransaction = answer.inTransaction
    if (!answer.inTransaction) this.#state = undefined
    const outcome = 'rows' in answer ? `${answer.rows.length} rows` : `${answer.code} ${answer.message} ${answer.why}`
    this.#asked.push(`${sql}: ${outcome}`)
    if (this.#asked.length > REMEMBERED) this.#asked.shift()
    if ('rows' in answer) return answer.rows
    if (!answer.code.startsWith('SQLITE_IOERR')) throw new Error(await this.#explain(answer.code))
    assert.match(answer.why, this.#options.allowed, sql)
    return undefined
  }
}
