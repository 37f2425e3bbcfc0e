import assert from 'node:assert/strict'
import { copyFileSync, existsSync, readFileSync, renameSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { native } from '../../../../src/native/addon.js'
import { runScript } from '../../../support/child.js'
import { connect, integrity, makeSource, openTestReplica, type Source, value } from '../../../support/replica.js'
import { until } from '../../../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, 0, hex(randomblob(200)) FROM n;`

/** A child process with a replica and its local copy, which reports its progress. */
const HYDRATE = `const { openReplica } = await import(src + '/index.js')
  const replica = await openReplica(process.env.URL, { hydrate: process.env.COPY, pollInterval: 5 })
  replica.on('advance', ({ txid }) => console.log('at ' + txid))
  await replica.whenHydrated()
  console.log('hydrated')
  setInterval(() => replica.stats().hydration === 1 && console.log('complete at ' + replica.txid), 5)`

/**
 * Opens a copy of TXID 2 again, at TXID 1, because the store does not show the file of TXID 2 until
 * `showAgain`: none of its pages is read.
 */
async function assertLaggingStoreIsBelieved(t: TestContext, { url, files }: Source, copy: string) {
  const name = path.join(files, 'ltx', '0', '0000000000000002-0000000000000002.ltx')
  renameSync(name, `${name}.hidden`)
  const replica = await openTestReplica(t, url, { hydrate: copy })
  const db = connect(t, replica.uri)
  assert.equal(replica.txid, 1)
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 0)
  await replica.whenHydrated()
  assert.equal(value(connect(t, replica.uri), 'SELECT sum(n) FROM t'), 0)
  return { replica, showAgain: () => renameSync(`${name}.hidden`, name) }
}

test('if a process is killed while its local copy is newer than a stale listing, the local copy is not used for the listing’s older TXID', async (t) => {
  const source = await makeSource(t)
  const { url, history, directory } = source
  await history.commit(SEED)
  const copy = path.join(directory, 'copy.db')
  const child = runScript(t, HYDRATE, { URL: url, COPY: copy })
  await until('the copy is complete', () => child.output().includes('hydrated'))
  await until('its meta file stands', () => existsSync(`${copy}.meta`))
  const newest = await history.commit('UPDATE t SET n = 1')
  // By now the copy holds pages of TXID 2, its meta file perhaps not.
  await until('the copy has gone on', () => child.output().includes('complete at 2'))
  child.process.kill('SIGKILL')
  await child.ended
  const { replica, showAgain } = await assertLaggingStoreIsBelieved(t, source, copy)
  showAgain()
  await until('TXID 2 is seen', async () => (await replica.refresh()) === newest.maxTxid)
  assert.equal(value(connect(t, replica.uri), 'SELECT sum(n) FROM t'), 2000)
})

test('if a local copy is closed at a newer TXID than a stale listing has, the local copy is not used for the listing’s older TXID', async (t) => {
  const source = await makeSource(t)
  const { url, history, directory } = source
  await history.commit(SEED)
  await history.commit('UPDATE t SET n = 1 WHERE id <= 1000')
  const copy = path.join(directory, 'copy.db')
  const first = await openTestReplica(t, url, { hydrate: copy })
  await first.whenHydrated()
  await first.close()
  await assertLaggingStoreIsBelieved(t, source, copy)
})

test('the meta file of one replica is never used for the local copy of another replica', async (t) => {
  const one = await makeSource(t)
  const other = await makeSource(t)
  await one.history.commit(SEED)
  await other.history.commit(`${SEED} UPDATE t SET n = 5`)
  const copy = path.join(one.directory, 'copy.db')
  const first = await openTestReplica(t, one.url, { hydrate: copy })
  await first.whenHydrated()
  await first.close()
  copyFileSync(`${copy}.meta`, `${copy}.kept`)
  const second = await openTestReplica(t, other.url, { hydrate: copy })
  await second.whenHydrated()
  assert.ok(!readFileSync(`${copy}.meta`).equals(readFileSync(`${copy}.kept`)))
  await second.close()
  // Killed at once when it had begun to fill the other's copy: no meta file is left that claims it
  // for the first.
  const child = runScript(
    t,
    `${HYDRATE.split('await replica.whenHydrated()')[0]} console.log('open'); setInterval(() => {}, 1000)`,
    {
      URL: one.url,
      COPY: copy,
    },
  )
  await until('it is open', () => child.output().includes('open'))
  child.process.kill('SIGKILL')
  await child.ended
  const again = await openTestReplica(t, other.url, { hydrate: copy })
  const db = connect(t, again.uri)
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 10_000)
  await again.whenHydrated()
  assert.equal(integrity(connect(t, again.uri)), 'ok')
})

let worker: Worker | undefined
process.on('worker', (started) => {
  worker = started
})

test('if a worker takes over a local copy after the database shrank, an open transaction can still read the pages beyond the new end', async (t) => {
  const { url, history, directory } = await makeSource(t, { autoVacuum: 'full' })
  await history.commit(SEED)
  const replica = await openTestReplica(t, url, { hydrate: `${directory}/copy.db`, cacheSize: 64 * 4096 })
  await replica.whenHydrated()
  const held = connect(t, replica.uri)
  held.pragma('cache_size=5')
  held.exec('BEGIN')
  const before = value(held, 'SELECT sum(n) FROM t WHERE id < 5')
  assert.equal(before, 0)
  await history.commit('DELETE FROM t WHERE id > 20')
  await until('the shrink is seen', async () => (await replica.refresh()) === 2)
  const killed = worker
  await killed?.terminate()
  await until('there is another worker', () => native.workerAlive() && worker !== killed)
  await until('it has caught up', async () => (await replica.refresh()) === 2)
  // Grown again, with other content where the old pages were.
  await history.commit(`WITH RECURSIVE n(i) AS (SELECT 21 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, 7, hex(randomblob(200)) FROM n`)
  await until('the growth is seen', async () => (await replica.refresh()) === 3)
  const fresh = connect(t, replica.uri)
  assert.equal(value(fresh, 'SELECT sum(n) FROM t'), 7 * 1980)
  const { pageSize, commit } = replica.stats()
  assert.ok(pageSize * commit > 64 * 4096)
  assert.deepEqual(held.prepare('SELECT count(*), sum(n) FROM t').raw().get(), [2000, 0])
  held.exec('COMMIT')
  await until('the copy is complete', () => replica.stats().hydration === 1)
  assert.equal(value(held, 'SELECT sum(n) FROM t'), 7 * 1980)
})
