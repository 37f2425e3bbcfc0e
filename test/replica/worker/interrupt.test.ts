// sqlite3_interrupt, which no driver exposes: a C extension calls it while a read waits for the
// store.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { cleanUp } from '../../support/clean-up.js'
import { compileProbe } from '../../support/probe.js'
import { makeProxiedSource } from '../../support/proxied-source.js'
import { ReaderThread } from '../../support/reader-thread.js'
import { openTestReplica } from '../../support/replica.js'
import { until } from '../../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO t SELECT i, hex(randomblob(200)) FROM n;`

const probe = compileProbe()

for (const sql of ['SELECT count(v) FROM t', "SELECT litestream_set_time('0000000000000001')"]) {
  test(`while ${sql} waits for the store, sqlite3_interrupt ends the wait, and the next statement works`, async (t) => {
    const { history, proxy, url } = await makeProxiedSource(t)
    await history.commit(SEED)
    const replica = await openTestReplica(t, url, { readTimeout: '10m' })
    const reader = await ReaderThread.open(t, replica.uri, [], [probe])
    await reader.ask('SELECT probe_remember()')
    const rule = proxy.fault({ type: 'blackhole' }, { times: Number.POSITIVE_INFINITY })
    const { crossings } = replica.stats()
    const answer = reader.ask(sql)
    await until('the read waits', () => replica.stats().crossings > crossings && rule.hits > 0)
    const other = new Database(':memory:')
    cleanUp(t, () => other.close())
    other.loadExtension(probe)
    other.prepare('SELECT probe_interrupt()').get()
    const failed = await answer
    assert.ok('code' in failed, JSON.stringify(failed))
    assert.equal(failed.code, 'SQLITE_INTERRUPT')
    rule.remove()
    // The replica repeats a request that the store never answered.
    await proxy.down()
    await proxy.up()
    assert.ok('rows' in (await reader.ask(sql)))
  })
}
