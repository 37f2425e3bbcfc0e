// Faults of the official VFS with a local copy; test/replica/worker/hydration/hydration.test.ts tests ours for the
// same faults.
import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { cleanUp } from '../support/clean-up.js'
import { compactRange } from '../support/compact.js'
import { OfficialConnection, runOfficialInPython } from '../support/official-vfs.js'
import { connect, makeSource, openTestReplica, type Source, value } from '../support/replica.js'
import { until } from '../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, 0, hex(randomblob(200)) FROM n;`
const SUM = 'SELECT sum(n) FROM t'

/** A connection of the official VFS whose copy at `copy` is complete. */
async function hydrated(t: TestContext, source: Source, copy: string, times = 1): Promise<OfficialConnection> {
  const official = new OfficialConnection(source.url, path.join(source.directory, 'official.log'), {
    LITESTREAM_HYDRATION_ENABLED: 'true',
    LITESTREAM_HYDRATION_PATH: copy,
    LITESTREAM_LOG_LEVEL: 'DEBUG',
  })
  cleanUp(t, () => official.close())
  assert.equal(await official.ask('SELECT count(*) FROM t'), '2000')
  // The reported progress stays 0.0 for a resumed copy.
  await official.logs('hydration complete', times)
  return official
}

test('with a local copy, a transaction of the official VFS sees commits that were made after its start', async (t) => {
  const source = await makeSource(t)
  const { history, directory, url } = source
  await history.commit(SEED)
  const official = await hydrated(t, source, path.join(directory, 'official.db'))
  const replica = await openTestReplica(t, url, { hydrate: path.join(directory, 'ours.db') })
  const ours = connect(t, replica.uri)
  await replica.whenHydrated()
  // SQLite itself caches few pages, so that the file is read again.
  await official.ask('PRAGMA cache_size = 5; BEGIN')
  ours.exec('PRAGMA cache_size = 5; BEGIN')
  assert.equal(await official.ask(SUM), '0')
  assert.equal(value(ours, SUM), 0)
  await history.commit('UPDATE t SET n = 1')
  await until('the transaction has changed under the official reader', async () => (await official.ask(SUM)) !== '0')
  await until('ours has the TXID, too', () => replica.txid === 2)
  assert.equal(value(ours, SUM), 0)
  assert.equal(value(connect(t, replica.uri), SUM), 2000)
})

test('a resumed local copy of the official VFS lacks the changes in files that were compacted while the VFS was closed', async (t) => {
  const source = await makeSource(t)
  const { history, directory, url, client } = source
  await history.commit(SEED)
  const copies = { official: path.join(directory, 'official.db'), ours: path.join(directory, 'ours.db') }
  await (await hydrated(t, source, copies.official)).exit()
  const first = await openTestReplica(t, url, { hydrate: copies.ours })
  await first.whenHydrated()
  await first.close()
  for (let n = 2; n <= 4; n++) await history.commit(`UPDATE t SET n = 1 WHERE id BETWEEN ${n * 100} AND ${n * 100 + 9}`)
  await compactRange(source, 1, 1, 3)
  await client.delete([1, 2, 3].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  const official = await hydrated(t, source, copies.official, 2)
  await official.reaches(4)
  assert.equal(await official.ask('PRAGMA integrity_check'), 'ok')
  assert.notEqual(await official.ask(SUM), '30')
  const second = await openTestReplica(t, url, { hydrate: copies.ours })
  await second.whenHydrated()
  assert.equal(value(connect(t, second.uri), SUM), 30)
})

test('with the official VFS, two connections that each have a local copy crash their process', async (t) => {
  const { history, directory, url } = await makeSource(t)
  await history.commit(SEED)
  const official = await runOfficialInPython(
    url,
    path.join(directory, 'official.log'),
    `
loader = sqlite3.connect(':memory:')
load(loader)
one = sqlite3.connect('file:one.db?vfs=litestream', uri=True)
while one.execute('PRAGMA litestream_hydration_progress').fetchone()[0] != '100.0': time.sleep(0.01)
print('hydrated')
for _ in range(20):
    two = sqlite3.connect('file:two.db?vfs=litestream', uri=True)
    for connection in (one, two): connection.execute('SELECT count(v) FROM t').fetchall()
`,
    { LITESTREAM_HYDRATION_ENABLED: 'true' },
  )
  assert.equal(official.output, 'hydrated\n')
  assert.match(official.errors, /panic: ReadAt/)
  assert.notEqual(official.status, 0)
  const options = { hydrate: path.join(directory, 'ours.db') }
  const replicas = [await openTestReplica(t, url, options), await openTestReplica(t, url, options)]
  for (const replica of replicas) {
    await replica.whenHydrated()
    assert.equal(value(connect(t, replica.uri), 'SELECT count(v) FROM t'), 2000)
  }
})
