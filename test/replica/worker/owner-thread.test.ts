import assert from 'node:assert/strict'
import { test } from 'node:test'
import { native } from '../../../src/native/addon.js'
import { ReaderThread } from '../../support/reader-thread.js'
import { makeSource } from '../../support/replica.js'
import { until } from '../../support/until.js'

test('after the thread that started the replica worker ends, another thread starts a new worker and reads continue', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
      INSERT INTO t SELECT i, 0, hex(randomblob(200)) FROM n;`)
  const uri = `file:x?vfs=litestream&poll_interval=50ms&cache_size=1KiB&replica_url=${encodeURIComponent(url)}`
  // This thread uses no replica: the first reader's thread starts the worker, which ends with it.
  const owner = await ReaderThread.open(t, uri)
  const other = await ReaderThread.open(t, uri, ['PRAGMA cache_size=10'])
  assert.equal(await owner.value('SELECT count(*) FROM t'), 3000)
  await other.ask('BEGIN')
  assert.equal(await other.value('SELECT n FROM t WHERE id = 1'), 0)
  const before = native.workerEpoch()
  await owner.worker.terminate()
  await until('its worker is gone', () => native.workerEpoch() > before)
  await history.commit('UPDATE t SET n = 1')
  await until('another has come', () => native.workerAlive())
  // The transaction's view was made by the first worker.
  await until('it reads on', async () => 'rows' in (await other.ask('SELECT count(v) FROM t')))
  await other.ask('COMMIT')
  await until('it sees what is new', async () => (await other.value('SELECT sum(n) FROM t')) === 3000)
})
