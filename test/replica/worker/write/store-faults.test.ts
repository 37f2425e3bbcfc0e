import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type Database from 'better-sqlite3'
import type { Replica } from '../../../../src/replica/handle/open-replica.js'
import type { ReplicaOptions } from '../../../../src/replica/options.js'
import { cleanUp } from '../../../support/clean-up.js'
import type { Fault } from '../../../support/faults.js'
import { natsUrl } from '../../../support/nats.js'
import { type ProxyProcess, startProxyProcess } from '../../../support/proxy-process.js'
import { s3Bucket, s3Server, s3Url } from '../../../support/s3.js'
import { codeOf, openForWriting, restoredDatabase } from '../../../support/written-replica.js'

interface OnS3 {
  /** Past the proxy. */
  readonly url: string
  readonly proxy: ProxyProcess
  open(options?: ReplicaOptions): Promise<{ readonly replica: Replica; readonly db: Database.Database }>
}

/**
 * A bucket, and a proxy between it and those who write. Nothing is polled: what a writer knows
 * comes from its own requests.
 */
async function onS3(t: TestContext): Promise<OnS3> {
  const bucket = await s3Bucket({ after: (step: unknown) => cleanUp(t, step as () => unknown) } as TestContext)
  const proxy = await startProxyProcess(s3Server().endpoint)
  cleanUp(t, () => proxy.close())
  return {
    url: s3Url(bucket),
    proxy,
    open: (options) => openForWriting(t, s3Url(bucket, 'app.db', proxy.url), { pollInterval: '10m', ...options }),
  }
}

const COMMIT = { kind: 'PUT', url: '.ltx' } as const
const reasonOf = (db: Database.Database) => db.prepare('SELECT litestream_error()').pluck().get() as string
const rowsOf = (db: Database.Database) =>
  db.prepare('SELECT group_concat(x) FROM (SELECT x FROM t ORDER BY x)').pluck().get()

test('S3: the writer that loses the race for a TXID gets SQLITE_BUSY_SNAPSHOT, sees the winner’s commit, and succeeds with a retry', async (t) => {
  const { open, url } = await onS3(t)
  const first = await open()
  first.db.exec('CREATE TABLE t (x)')
  // Another cache size makes a second replica in the process, with a separate writer.
  const second = await open({ cacheSize: '3MiB' })
  const writers = [first.db, second.db]
  for (let i = 0; i < 10; i++) {
    const [winner, loser] = i % 2 === 0 ? writers : writers.toReversed()
    winner!.exec(`INSERT INTO t VALUES (${2 * i})`)
    const insert = () => loser!.exec(`INSERT INTO t VALUES (${2 * i + 1})`)
    assert.equal(codeOf(insert), 'SQLITE_BUSY_SNAPSHOT')
    assert.match(reasonOf(loser!), /^REPLICA_FENCED: .*another writer committed TXID/)
    assert.equal(codeOf(insert), undefined)
  }
  const writes = await Promise.all([first, second].map(async ({ replica }) => (await replica.workerStats()).writes!))
  assert.deepEqual(
    writes.map(({ conflicts }) => conflicts),
    [5, 5],
  )
  assert.equal(rowsOf(await restoredDatabase(t, url)), Array.from({ length: 20 }, (_, i) => i).join())
})

test('a commit costs one request, and the writer reads its own commit without a request', async (t) => {
  const { open, proxy } = await onS3(t)
  const { replica, db } = await open()
  db.exec('CREATE TABLE t (x)')
  await proxy.reset()
  for (let i = 0; i < 5; i++) {
    db.exec(`INSERT INTO t VALUES (${i})`)
    assert.equal(rowsOf(db), Array.from({ length: i + 1 }, (_, n) => n).join())
  }
  assert.deepEqual((await proxy.counts()).kinds, { PUT: 5 })
  assert.equal(replica.txid, 6)
})

const AMBIGUOUS: readonly [what: string, fault: Fault][] = [
  ['the answer is lost', { type: 'loseReply' }],
  ['the connection is reset', { type: 'refuse' }],
  ['the upload breaks off', { type: 'cutUpload', bytes: 100 }],
  ['500', { type: 'status', status: 500, code: 'InternalError' }],
  ['503', { type: 'status', status: 503, code: 'SlowDown' }],
]
for (const [what, fault] of AMBIGUOUS) {
  test(`S3: ${what}: the writer detects that its commit has succeeded, and the commit exists once`, async (t) => {
    const { open, proxy, url } = await onS3(t)
    const { db } = await open()
    db.exec('CREATE TABLE t (x)')
    const rule = await proxy.fault(fault, COMMIT, 2)
    db.exec('INSERT INTO t VALUES (1)')
    assert.ok((await rule.hits()) > 0)
    await rule.remove()
    db.exec('INSERT INTO t VALUES (2)')
    const restored = await restoredDatabase(t, url)
    assert.equal(rowsOf(restored), '1,2')
  })
}

test('S3: if the response to a commit is lost and the store then does not say who wrote the file, the commit is not reported as refused', async (t) => {
  const { open, proxy, url } = await onS3(t)
  const { db } = await open()
  db.exec('CREATE TABLE t (x)')
  await proxy.fault({ type: 'loseReply' }, COMMIT, 1)
  const refused = { type: 'status', status: 403, code: 'AccessDenied' } as const
  const rules = [await proxy.fault(refused, { kind: 'HEAD' }, 1), await proxy.fault(refused, { kind: 'GET' }, 2)]
  db.exec('INSERT INTO t VALUES (1)')
  assert.deepEqual(await Promise.all(rules.map((rule) => rule.hits())), [1, 2])
  // The first attempt is lost, and the store refuses the second one.
  await proxy.fault({ type: 'late', ms: 1500 }, COMMIT, 1)
  await proxy.fault(refused, COMMIT, 1)
  db.exec('INSERT INTO t VALUES (2)')
  assert.equal(rowsOf(await restoredDatabase(t, url)), '1,2')
})

test('S3: a refused commit is rolled back with the reason, and the next commit succeeds', async (t) => {
  const { open, proxy } = await onS3(t)
  const { db, replica } = await open()
  db.exec('CREATE TABLE t (x)')
  const rule = await proxy.fault({ type: 'status', status: 403, code: 'AccessDenied' }, COMMIT, 1000)
  assert.equal(
    codeOf(() => db.exec('INSERT INTO t VALUES (1)')),
    'SQLITE_PERM',
  )
  assert.match(reasonOf(db), /^ACCESS_DENIED/)
  assert.equal(rowsOf(db), null)
  assert.equal(replica.txid, 1)
  await rule.remove()
  db.exec('INSERT INTO t VALUES (2)')
  assert.equal(rowsOf(db), '2')
})

test('S3: a commit that gets no response is reported as unknown, and the next transaction first determines the outcome of this commit', async (t) => {
  const { open, proxy, url } = await onS3(t)
  const { db, replica } = await open({ readTimeout: '1s' })
  db.exec('CREATE TABLE t (x)')
  await proxy.fault({ type: 'loseReply' }, COMMIT)
  const silent = await proxy.fault({ type: 'blackhole' }, {}, 1000)
  assert.equal(
    codeOf(() => db.exec('INSERT INTO t VALUES (1)')),
    'SQLITE_IOERR_FSYNC',
  )
  assert.match(reasonOf(db), /^COMMIT_UNKNOWN: .*may or may not/)
  assert.equal(replica.txid, 1)
  // As long as it is unknown nothing else is committed.
  assert.equal(
    codeOf(() => db.exec('INSERT INTO t VALUES (2)')),
    'SQLITE_BUSY',
  )
  await silent.remove()
  await proxy.down()
  await proxy.up()
  await replica.flush()
  assert.equal(replica.txid, 2)
  db.exec('INSERT INTO t VALUES (3)')
  assert.equal(rowsOf(db), '1,3')
  assert.equal(rowsOf(await restoredDatabase(t, url)), '1,3')
})

test('S3: if a commit is too large for memory and its file cannot be read back, the commit is not reported as refused', async (t) => {
  const { open, proxy, url } = await onS3(t)
  const { db, replica } = await open({ readTimeout: '2m' })
  replica.on('error', () => {})
  db.exec('CREATE TABLE t (x)')
  // 65 MiB of zeros, which are compressed.
  const insert = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 17000)
    INSERT INTO t SELECT zeroblob(4000) FROM n`
  const refused = { type: 'status', status: 403, code: 'AccessDenied' } as const
  const rule = await proxy.fault(refused, { kind: 'GET' }, 1000)
  assert.equal(
    codeOf(() => db.exec(insert)),
    'SQLITE_IOERR_FSYNC',
  )
  assert.match(reasonOf(db), /^COMMIT_UNKNOWN: .*the store has the file of TXID 0000000000000002/)
  await rule.remove()
  await replica.refresh()
  const count = (one: Database.Database) => one.prepare('SELECT count(*) FROM t').pluck().get()
  assert.equal(count(db), 17000)
  db.exec('DELETE FROM t WHERE rowid > 3')
  assert.equal(count(await restoredDatabase(t, url)), 3)
})

test('NATS: if two writers race for a TXID, exactly one writer wins', async (t) => {
  const url = natsUrl()
  const first = await openForWriting(t, url, { pollInterval: '10m' })
  first.db.exec('CREATE TABLE t (x)')
  const second = await openForWriting(t, url, { pollInterval: '10m', cacheSize: '3MiB' })
  const expected: number[] = []
  for (let i = 0; i < 40; i++) {
    const code = codeOf(() => (i % 3 === 0 ? first : second).db.exec(`INSERT INTO t VALUES (${i})`))
    if (code === undefined) expected.push(i)
    else assert.equal(code, 'SQLITE_BUSY_SNAPSHOT')
  }
  assert.ok(expected.length > 10)
  assert.equal(rowsOf(await restoredDatabase(t, url)), expected.join())
})

test('S3: if a store does not respond, a busy handler does not multiply the waiting time', {
  timeout: 60_000,
}, async (t) => {
  const { open, proxy } = await onS3(t)
  const { db } = await open({ write: { compaction: false }, readTimeout: '2s' })
  // SQLite repeats the request for the lock some fifty times within this.
  db.pragma('busy_timeout = 5000')
  const silence = await proxy.fault({ type: 'blackhole' }, { kind: 'PUT', url: 'lock.json' }, 1000)
  const create = () => codeOf(() => db.exec('CREATE TABLE t (x)'))
  assert.equal(create(), 'SQLITE_BUSY')
  assert.match(reasonOf(db), /^TIMEOUT: the right to write was not obtained in time/)
  await silence.remove()
  let code: string | undefined
  do code = create()
  while (code === 'SQLITE_BUSY')
  assert.equal(code, undefined)
})
