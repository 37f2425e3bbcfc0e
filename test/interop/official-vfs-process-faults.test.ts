// Effects of the official VFS on the process that loads it, and its reports about a store that
// denies requests.
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { load } from '../../src/replica/handle/loadable.js'
import { runScript } from '../support/child.js'
import { cleanUp } from '../support/clean-up.js'
import { startFaultProxy } from '../support/fault-proxy.js'
import { extension, OfficialConnection, runOfficialInPython } from '../support/official-vfs.js'
import { connect, makeSource, openTestReplica, value } from '../support/replica.js'
import { s3Bucket, s3Server, s3Url } from '../support/s3.js'
import { until } from '../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, hex(randomblob(200)) FROM n;`

test('while the store denies every request, the lag that the official VFS reports stays small', async (t) => {
  const bucket = await s3Bucket(t)
  const { accessKeyId, secretAccessKey, endpoint } = s3Server()
  const proxies = [await startFaultProxy({ target: endpoint }), await startFaultProxy({ target: endpoint })] as const
  for (const proxy of proxies) cleanUp(t, () => proxy.close())
  const { history, directory } = await makeSource(t, { url: s3Url(bucket) })
  await history.commit(SEED)
  const theirs = `s3://${bucket}/app.db?endpoint=${encodeURIComponent(proxies[0].url)}&region=us-east-1&forcePathStyle=true`
  const official = new OfficialConnection(theirs, path.join(directory, 'official.log'), {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  })
  cleanUp(t, () => official.close())
  assert.equal(await official.ask('SELECT count(*) FROM t'), '2000')
  const replica = await openTestReplica(t, s3Url(bucket, 'app.db', proxies[1].url))
  const rules = proxies.map((proxy) =>
    proxy.fault({ type: 'status', status: 403, code: 'AccessDenied' }, { times: Number.POSITIVE_INFINITY }),
  )
  await history.commit('DELETE FROM t WHERE id > 100')
  await until('both were denied for five seconds', () => rules[0]!.hits >= 10 && replica.lagMs > 5000)
  assert.ok(Number(await official.ask('PRAGMA litestream_lag')) <= 2)
  assert.equal(await official.ask('SELECT count(*) FROM t'), '2000')
})

test('after the official VFS is loaded, ordinary database files can no longer be opened', async (t) => {
  const { history, directory, url } = await makeSource(t)
  await history.commit(SEED)
  const file = path.join(directory, 'plain.db')
  const official = await runOfficialInPython(
    url,
    path.join(directory, 'official.log'),
    `
loader = sqlite3.connect(':memory:')
load(loader)
try:
    sqlite3.connect(${JSON.stringify(file)}).execute('SELECT 1')
except sqlite3.Error as error:
    print(error)
`,
  )
  assert.match(official.output, /^automatic extension loading failed/)
  load(new Database(':memory:'))
  const plain = new Database(file)
  plain.exec('CREATE TABLE x (y)')
  assert.throws(() => plain.prepare('SELECT litestream_txid()'), /no such function/)
  plain.close()
})

test('if the official VFS fails to open a replica, the official VFS closes another connection', async (t) => {
  const { history, directory, url } = await makeSource(t)
  await history.commit(SEED)
  const official = await runOfficialInPython(
    url,
    path.join(directory, 'official.log'),
    `
loader = sqlite3.connect(':memory:')
load(loader)
one = sqlite3.connect('file:one.db?vfs=litestream', uri=True)
print(one.execute('SELECT count(*) FROM t').fetchone()[0])
for attempt in ('opening', 'reading'):
    try:
        if attempt == 'opening': sqlite3.connect('file:two.db?vfs=litestream&replica_url=none%3A%2F%2Fx', uri=True).execute('SELECT 1 FROM t')
        else: print(one.execute('SELECT count(v) FROM t').fetchone()[0])
    except sqlite3.Error as error:
        print(attempt, error)
`,
  )
  assert.equal(official.output, '2000\nopening SQL logic error\nreading SQL logic error\n')
  const ours = connect(t, (await openTestReplica(t, url)).uri)
  assert.equal(value(ours, 'SELECT count(*) FROM t'), 2000)
  assert.throws(() => new Database('file:two.db?vfs=litestream&replica_url=none%3A%2F%2Fx'), {
    code: 'SQLITE_CANTOPEN',
  })
  assert.equal(value(ours, 'SELECT count(v) FROM t'), 2000)
})

test('a failed load of the official VFS crashes the process, but a failed load of the litestream-ts VFS only returns an error', async (t) => {
  const { history, directory, url } = await makeSource(t)
  await history.commit(SEED)
  const script = `
try:
    load(sqlite3.connect(':memory:'))
except sqlite3.Error as error:
    print(error)
time.sleep(1)
`
  // Not every time: the library is unloaded while its own threads run.
  let crashed = false
  for (let attempt = 0; attempt < 10 && !crashed; attempt++) {
    const { status } = await runOfficialInPython(url, path.join(directory, 'nowhere', 'log'), script)
    crashed = status === 'SIGSEGV'
  }
  assert.ok(crashed)
  // Ours refuses to share the name with it.
  const child = runScript(
    t,
    `const { load } = await import(src + '/index.js')
     const { default: Database } = await import('better-sqlite3')
     const [one, two] = [new Database(':memory:'), new Database(':memory:')]
     one.loadExtension(${JSON.stringify(extension())}, 'sqlite3_litestreamvfs_init')
     try {
       load(two)
     } catch ({ message }) {
       console.log(message)
     }
     console.log(two.prepare('SELECT 1').pluck().get())
     process.exit()`,
    { LITESTREAM_LOG_FILE: path.join(directory, 'official.log'), LITESTREAM_REPLICA_URL: url },
  )
  assert.equal(await child.ended, 0, child.errors())
  assert.match(child.output(), /: another VFS is registered as "litestream" already; load only one of the two\n1\n$/)
})

test('in Python, a PRAGMA that sets a value raises MemoryError with the official VFS, and returns text with litestream-ts', async (t) => {
  const { history, directory, url } = await makeSource(t)
  await history.commit(SEED)
  const official = await runOfficialInPython(
    url,
    path.join(directory, 'official.log'),
    `
loader = sqlite3.connect(':memory:')
load(loader)
one = sqlite3.connect('file:one.db?vfs=litestream', uri=True)
try:
    one.execute("PRAGMA litestream_time = 'LATEST'").fetchall()
except MemoryError:
    print('MemoryError')
`,
  )
  assert.equal(official.output, 'MemoryError\n')
  const ours = connect(t, (await openTestReplica(t, url)).uri)
  const set = ours.prepare("PRAGMA litestream_time = 'LATEST'")
  assert.equal(typeof set.columns()[0]?.name, 'string')
  assert.match(String(set.pluck().get()), /^\d{4}-.*Z$/)
})
