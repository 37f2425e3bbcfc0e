import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { listLevel, mergeFiles } from '../../src/compaction/compact.js'
import { formatTxid } from '../../src/ltx/txid.js'
import type { Replica } from '../../src/replica/open-replica.js'
import { Random } from '../support/random.js'
import { randomChange, randomQuery, SCHEMA } from '../support/random-writer.js'
import { connect, integrity, makeSource, openTestReplica, type Source, value } from '../support/replica.js'
import { until } from '../support/until.js'

// A random writer, compaction and retention on one side, random readers and time travellers on the other; every answer is compared
// with the primary's at that TXID. DIFFERENTIAL_SEED repeats a run, DIFFERENTIAL_STEPS makes it longer, DIFFERENTIAL_RUNS more.
const STEPS = Number(process.env.DIFFERENTIAL_STEPS ?? 120)
const RUNS = Number(process.env.DIFFERENTIAL_RUNS ?? 4)
const SEED = Number(process.env.DIFFERENTIAL_SEED ?? Math.floor(Math.random() * 2 ** 32))

interface Reader {
  readonly replica: Replica
  db: Database.Database
  travelled: boolean
}

/** States of the primary, by TXID: what every answer is compared with. */
class Oracle {
  readonly #states = new Map<number, Buffer>()
  #open: { txid: number; db: Database.Database } | undefined

  keep(txid: number, bytes: Buffer): void {
    this.#states.set(txid, bytes)
  }

  answer(txid: number, sql: string): unknown {
    if (this.#open?.txid !== txid) {
      this.#open?.db.close()
      const bytes = this.#states.get(txid)
      assert.ok(bytes, `TXID ${txid} was never written`)
      this.#open = { txid, db: new Database(Buffer.from(bytes)) }
    }
    return this.#open.db.prepare(sql).raw().all()
  }

  close(): void {
    this.#open?.db.close()
  }
}

for (let run = 0; run < RUNS; run++) {
  const random = new Random(SEED + run)
  const pageSize = random.pick([512, 1024, 4096, 4096, 8192])
  test(`seed ${random.seed}, pages of ${pageSize} bytes: every answer is the primary's`, async (t) => {
    const source = await makeSource(t, { pageSize, autoVacuum: random.pick(['none', 'full', 'incremental']) })
    await compare(t, source, random)
  })
}

async function compare(t: TestContext, source: Source, random: Random): Promise<void> {
  const { history } = source
  const oracle = new Oracle()
  t.after(() => oracle.close())
  const commit = async (sql: string) => {
    await history.commit(sql)
    oracle.keep(history.txid, history.bytes)
  }
  await commit(SCHEMA)
  for (let i = 0; i < 5; i++) await commit(randomChange(random, history))
  const readers = await openReaders(t, source, random)
  const counts = { answers: 0, refused: 0, travels: 0, files: 0 }
  for (let step = 0; step < STEPS; step++) {
    if (random.chance(0.5)) await commit(randomChange(random, history))
    if (random.chance(0.25)) counts.files += await housekeep(source, random)
    if (random.chance(0.3)) await random.pick(readers).replica.sync()
    const reader = random.pick(readers)
    changeTransaction(t, reader, random, history.txid, counts)
    for (let i = random.integer(1, 4); i > 0; i--) ask(reader, oracle, randomQuery(random), counts)
  }
  for (const { db } of readers) if (db.inTransaction) db.exec('COMMIT')
  for (const reader of readers) {
    if (reader.travelled) reader.db.prepare("SELECT litestream_set_time('LATEST')").get()
    await until('it has caught up', async () => (await reader.replica.sync()) === history.txid)
    assert.equal(value(reader.db, 'SELECT litestream_txid()'), formatTxid(history.txid))
    // On a connection of its own: FTS5's check believes what the connection has cached of its index, also on ordinary files.
    assert.equal(integrity(connect(t, reader.replica.uri)), 'ok')
    ask(reader, oracle, 'SELECT count(*), sum(k), sum(length(v)) FROM a', counts)
  }
  assert.ok(counts.answers > STEPS)
  t.diagnostic(JSON.stringify(counts))
}

async function openReaders(t: TestContext, source: Source, random: Random): Promise<Reader[]> {
  const { url, directory } = source
  const replicas = [
    await openTestReplica(t, url, { cacheSize: '1KiB', pollInterval: 20 }),
    await openTestReplica(t, url, { cacheSize: '4MiB', pollInterval: 40, hydrate: path.join(directory, 'copy.db') }),
    await openTestReplica(t, url, { pollInterval: 3_600_000 }),
  ]
  return replicas.flatMap((replica) =>
    [0, 1].map(() => {
      const db = connect(t, replica.uri)
      db.pragma(`cache_size=${random.pick([5, 50, 2000])}`)
      return { replica, db, travelled: false }
    }),
  )
}

/** Compacts, makes a snapshot, or drops files that others have taken the place of. Returns how many files it touched. */
async function housekeep(source: Source, random: Random): Promise<number> {
  const { client, history } = source
  const raw = await listLevel(client, 0, 0, undefined)
  switch (random.integer(0, 3)) {
    case 0:
    case 1: {
      const level = random.integer(1, 3)
      const below = await listLevel(client, level - 1, 0, undefined)
      const done = (await listLevel(client, level, 0, undefined)).at(-1)?.maxTxid ?? 0
      const inputs = below.filter((file) => file.minTxid > done).slice(0, random.integer(1, 12))
      if (inputs.length === 0 || inputs[0].minTxid !== done + 1) return 0
      await mergeFiles(client, inputs, level)
      return inputs.length
    }
    case 2:
      await history.snapshot()
      return 1
    default: {
      const compacted = (await listLevel(client, 1, 0, undefined)).at(-1)?.maxTxid ?? 0
      const snapshots = await listLevel(client, 9, 0, undefined)
      const snapshot = snapshots.at(-1)?.maxTxid ?? 0
      const covered = Math.min(Math.max(compacted, snapshot), history.txid - 1)
      const old = raw.filter((file) => file.maxTxid <= covered).slice(0, random.integer(1, 20))
      const levels = random.chance(0.5) ? [1, 2, 3] : []
      for (const level of levels) {
        old.push(...(await listLevel(client, level, 0, undefined)).filter((file) => file.maxTxid <= snapshot))
      }
      old.push(...snapshots.slice(0, -1))
      await client.delete(old)
      return old.length
    }
  }
}

function changeTransaction(
  t: TestContext,
  reader: Reader,
  random: Random,
  newest: number,
  counts: { refused: number; travels: number },
): void {
  const { db } = reader
  if (db.inTransaction) {
    if (random.chance(0.4)) db.exec('COMMIT')
    return
  }
  if (random.chance(0.3)) {
    db.exec('BEGIN')
    return
  }
  if (random.chance(0.15)) {
    const target = random.chance(0.3) ? 'LATEST' : formatTxid(random.integer(Math.max(1, newest - 20), newest))
    try {
      db.prepare('SELECT litestream_set_time(?)').get(target)
      reader.travelled = target !== 'LATEST'
      counts.travels++
      if (reader.travelled) assert.equal(value(db, 'SELECT litestream_txid()'), target)
    } catch (error) {
      assert.match((error as Error).message, /no matching backup files available/)
      counts.refused++
    }
  }
  if (random.chance(0.05)) {
    db.close()
    reader.db = connect(t, reader.replica.uri)
    reader.travelled = false
  }
}

/** Asks, and compares. Only what retention took away may be refused, and nothing may be answered wrongly. */
function ask(reader: Reader, oracle: Oracle, sql: string, counts: { answers: number; refused: number }): void {
  const { db } = reader
  // A transaction of its own, if there is none: the TXID and the answer are to be of one view.
  const own = !db.inTransaction
  if (own) db.exec('BEGIN')
  try {
    db.prepare('SELECT count(*) FROM sqlite_schema').get()
    const txid = Number.parseInt(String(value(db, 'SELECT litestream_txid()')), 16)
    const rows = db.prepare(sql).raw().all()
    assert.deepEqual(rows, oracle.answer(txid, sql), `${sql} at TXID ${txid}`)
    counts.answers++
  } catch (error) {
    if ((error as { code?: string }).code !== 'SQLITE_IOERR_READ') throw error
    assert.match(String(value(db, 'SELECT litestream_error()')), /^(PAGE_UNAVAILABLE|TXID_NOT_AVAILABLE): /)
    counts.refused++
  }
  if (own && db.inTransaction) db.exec('COMMIT')
}
