import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { Random } from '../../../support/random.js'
import { RANDOM_SQL_DUMP, RANDOM_SQL_SCHEMA, randomStatement } from '../../../support/random-sql.js'
import { codeOf, makeWritten, restoredDatabase } from '../../../support/written-replica.js'

const STEPS = Number(process.env.WRITE_STEPS ?? 250)
const SEED = Number(process.env.WRITE_SEED ?? Math.floor(Math.random() * 2 ** 31))

/** Statements whose effect depends on the file system, not on the data. */
const isSetting = (sql: string) => sql.startsWith('PRAGMA')

const CASES: readonly [pageSize: number, vacuum: string, durability: 'store' | 'local'][] = [
  [512, 'none', 'store'],
  [1024, 'none', 'local'],
  [4096, 'none', 'store'],
  [4096, 'full', 'store'],
  [4096, 'incremental', 'local'],
  [8192, 'none', 'store'],
  [65536, 'none', 'store'],
]
for (const [pageSize, vacuum, durability] of CASES) {
  test(`random SQL gives the same results and errors as on a local file: ${durability}, pages of ${pageSize} bytes, auto_vacuum=${vacuum}`, async (t) => {
    const random = new Random(SEED + pageSize)
    t.diagnostic(`WRITE_SEED=${SEED}`)
    const { db, directory, replica, url } = await makeWritten(t, { write: { lease: false, durability } })
    const local = new Database(path.join(directory, 'local.db'))
    t.after(() => local.close())
    const both = [local, db]
    for (const one of both) {
      one.exec(`PRAGMA page_size = ${pageSize}; PRAGMA auto_vacuum = ${vacuum}; PRAGMA foreign_keys = ON`)
      one.exec(RANDOM_SQL_SCHEMA)
    }
    for (let step = 0; step < STEPS; step++) {
      const sql = randomStatement(random)
      const [expected, found] = both.map((one) => codeOf(() => one.exec(sql)))
      assert.equal(found, expected, `step ${step}: ${sql}`)
      assert.equal(db.inTransaction, local.inTransaction, `step ${step}: ${sql}`)
      if (isSetting(sql) || step % 10 !== 0) continue
      for (const query of RANDOM_SQL_DUMP) {
        const [rows, other] = both.map((one) => one.prepare(query).raw().all())
        assert.deepEqual(other, rows, `step ${step}: ${sql}: ${query}`)
      }
    }
    for (const one of both) if (one.inTransaction) one.exec('COMMIT')
    for (const one of both) assert.deepEqual(one.pragma('integrity_check'), [{ integrity_check: 'ok' }])
    await replica.flush()
    const restored = await restoredDatabase(t, url)
    for (const query of RANDOM_SQL_DUMP) {
      const [rows, other] = [local, restored].map((one) => one.prepare(query).raw().all())
      assert.deepEqual(other, rows, `restored: ${query}`)
    }
  })
}
