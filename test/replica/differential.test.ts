import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import type Database from 'better-sqlite3'
import { formatTxid } from '../../src/ltx/txid.js'
import type { Replica } from '../../src/replica/handle/open-replica.js'
import { type Asker, ComparedReader } from '../support/compared-reader.js'
import { housekeep } from '../support/housekeeping.js'
import { Oracle } from '../support/oracle.js'
import { Random } from '../support/random.js'
import { randomChange, schemaOf } from '../support/random-writer.js'
import { connect, integrity, makeSource, openTestReplica, type Source, value } from '../support/replica.js'
import { until } from '../support/until.js'

// A random writer with compaction and retention, and random readers and time travellers; every
// result is compared with the primary's at that TXID. DIFFERENTIAL_SEED repeats a run,
// DIFFERENTIAL_STEPS makes it longer, DIFFERENTIAL_RUNS repeats it. chaos.test.ts is the same over
// S3 with faults.
const STEPS = Number(process.env.DIFFERENTIAL_STEPS ?? 120)
const RUNS = Number(process.env.DIFFERENTIAL_RUNS ?? 4)
const SEED = Number(process.env.DIFFERENTIAL_SEED ?? Math.floor(Math.random() * 2 ** 32))

/** Only reads of files deleted by retention may fail. */
const TAKEN_AWAY = /^((PAGE_UNAVAILABLE|TXID_NOT_AVAILABLE): .*)?$/s

interface Reader {
  readonly replica: Replica
  readonly compared: ComparedReader
}

for (let run = 0; run < RUNS; run++) {
  const random = new Random(SEED + run)
  const pageSize = random.pick([512, 1024, 4096, 4096, 8192])
  test(`seed ${random.seed}, pages of ${pageSize} bytes: every query result through the VFS equals the primary’s result`, async (t) => {
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
    oracle.keep(1, history.txid, history.bytes)
  }
  await commit(schemaOf(1, random))
  for (let i = 0; i < 5; i++) await commit(randomChange(random, history))
  const counts = { answers: 0, refused: 0, travels: 0, files: 0 }
  const readers = await openReaders(t, source, random, (open) =>
    ComparedReader.open({ oracle, counts, connect: open, allowed: TAKEN_AWAY, onwards: true }),
  )
  for (let step = 0; step < STEPS; step++) {
    if (random.chance(0.5)) await commit(randomChange(random, history))
    if (random.chance(0.25)) counts.files += await housekeep(source, random)
    if (random.chance(0.3)) await random.pick(readers).replica.refresh()
    await random.pick(readers).compared.step(random, history.txid)
  }
  for (const { compared } of readers) await compared.settle()
  for (const { replica, compared } of readers) {
    await until('it has caught up', async () => (await replica.refresh()) === history.txid)
    // On a separate connection: FTS5's check uses the connection's cached index, also on ordinary
    // files.
    const db = connect(t, replica.uri)
    assert.equal(value(db, 'SELECT litestream_txid()'), formatTxid(history.txid))
    assert.equal(integrity(db), 'ok')
    assert.ok(await compared.compare('SELECT count(*), sum(k), sum(length(v)) FROM a'))
  }
  assert.ok(counts.answers > STEPS)
  t.diagnostic(JSON.stringify(counts))
}

async function openReaders(
  t: TestContext,
  source: Source,
  random: Random,
  compared: (open: () => Asker) => Promise<ComparedReader>,
): Promise<Reader[]> {
  const { url, directory } = source
  const replicas = [
    await openTestReplica(t, url, { cacheSize: '1KiB', pollInterval: 20 }),
    await openTestReplica(t, url, { cacheSize: '4MiB', pollInterval: 40, hydrate: path.join(directory, 'copy.db') }),
    await openTestReplica(t, url, { pollInterval: 3_600_000 }),
  ]
  const readers: Reader[] = []
  for (const replica of [...replicas, ...replicas]) {
    const open = () => askHere(connect(t, replica.uri), random.pick([5, 50, 2000]))
    readers.push({ replica, compared: await compared(open) })
  }
  return readers
}

/** A connection on this thread. */
function askHere(db: Database.Database, cacheSize: number): Asker {
  db.pragma(`cache_size=${cacheSize}`)
  return {
    ask(sql) {
      try {
        const statement = db.prepare(sql)
        const rows = statement.reader ? (statement.raw().all() as unknown[][]) : []
        if (!statement.reader) statement.run()
        return { rows, inTransaction: db.inTransaction }
      } catch (error) {
        const { code, message } = error as { code: string; message: string }
        const { inTransaction } = db
        return { code, message, why: String(value(db, 'SELECT litestream_error()')), inTransaction }
      }
    },
    close: () => db.close(),
  }
}
