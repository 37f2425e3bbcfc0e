import assert from 'node:assert/strict'
import { readdirSync, truncateSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { listLevel } from '../../../../src/compaction/compact.js'
import { parseFileName } from '../../../../src/ltx/file-name.js'
import { openReplica } from '../../../../src/replica/handle/open-replica.js'
import { formatKey } from '../../../../src/replica/key.js'
import { resolveOptions } from '../../../../src/replica/options.js'
import { WriterCompaction } from '../../../../src/replica/worker/write/writer-compaction.js'
import { openReplicaClient } from '../../../../src/storage/open.js'
import { cleanUp } from '../../../support/clean-up.js'
import { s3Bucket, s3Url } from '../../../support/s3.js'
import { until } from '../../../support/until.js'
import { emptyReplicaUrl, openForWriting, restoredDatabase } from '../../../support/written-replica.js'

const SHORT = ['40ms', '80ms'] as const

/** Names of the files of a level; none if it has no folder. */
function levelOf(files: string, level: number): string[] {
  const folder = path.join(files, 'ltx', String(level))
  if (!readdirSync(path.join(files, 'ltx')).includes(String(level))) return []
  return readdirSync(folder).filter((name) => parseFileName(name) !== undefined)
}

test('a writer compacts levels and writes a snapshot, a reader sees every TXID in order, and every TXID can be restored', async (t) => {
  const { files, url } = emptyReplicaUrl(t)
  const { replica, db } = await openForWriting(t, url, { write: { compaction: SHORT } })
  const errors: Error[] = []
  replica.on('error', (error) => errors.push(error))
  db.exec('CREATE TABLE t (x)')
  const reader = await openReplica(url, { pollInterval: '10ms' })
  cleanUp(t, () => reader.close())
  reader.on('error', (error) => errors.push(error))
  for (const event of ['gap', 'reset'] as const) reader.on(event, () => errors.push(new Error(event)))
  const { default: Database } = await import('better-sqlite3')
  const reading = new Database(reader.uri, { readonly: true })
  cleanUp(t, () => reading.close())
  let rows = 0
  let seen = 0
  await until('three files of level 1, two of level 2 and a snapshot', () => {
    db.exec(`INSERT INTO t VALUES (${++rows})`)
    const [count, newest] = reading.prepare('SELECT count(*), coalesce(max(x), 0) FROM t').raw().get() as number[]
    assert.equal(count, newest)
    assert.ok(count! >= seen && count! <= rows)
    seen = count!
    return levelOf(files, 1).length >= 3 && levelOf(files, 2).length >= 2 && levelOf(files, 9).length >= 1
  })
  db.close()
  await replica.close()
  // The name of an L0 file decides between two writers: none becomes free again.
  assert.equal(levelOf(files, 0).length, rows + 1)
  for (const txid of [2, 1 + Math.ceil(rows / 2), rows + 1]) {
    const restored = await restoredDatabase(t, url, txid)
    assert.equal(restored.prepare('SELECT count(*) FROM t').pluck().get(), txid - 1)
  }
  assert.deepEqual(errors, [])
})

test('local commits, a flush and a compaction do not disturb one another', async (t) => {
  const { files, url } = emptyReplicaUrl(t)
  const write = { compaction: SHORT, durability: 'local', syncInterval: '15ms' } as const
  const { replica, db } = await openForWriting(t, url, { pollInterval: '10ms', write })
  const errors: Error[] = []
  for (const event of ['error', 'conflict', 'fenced'] as const) replica.on(event, (error) => errors.push(error))
  db.exec('CREATE TABLE t (x)')
  let rows = 0
  await until('three files of level 1', () => {
    for (let i = 0; i < 5; i++) db.exec(`INSERT INTO t VALUES (${++rows})`)
    assert.equal(db.prepare('SELECT count(*) FROM t').pluck().get(), rows)
    return levelOf(files, 1).length >= 3
  })
  await replica.flush()
  const restored = await restoredDatabase(t, url)
  assert.equal(restored.prepare('SELECT count(*) FROM t').pluck().get(), rows)
  assert.deepEqual(errors, [])
})

test('S3: a writer compacts and commits at the same time, and close() cancels a running compaction and releases the lease', async (t) => {
  const url = s3Url(await s3Bucket({ after: (step: unknown) => cleanUp(t, step as () => unknown) } as TestContext))
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  const { replica, db } = await openForWriting(t, url, { write: { compaction: SHORT } })
  const errors: Error[] = []
  replica.on('error', (error) => errors.push(error))
  db.exec('CREATE TABLE t (x)')
  let rows = 0
  await until('two files of level 1 and a snapshot', async () => {
    db.exec(`INSERT INTO t VALUES (${++rows})`)
    const counts = await Promise.all([1, 9].map(async (level) => (await listLevel(client, level, 0, undefined)).length))
    return counts[0]! >= 2 && counts[1]! >= 1
  })
  db.close()
  await replica.close()
  assert.equal(await client.getObject('lock.json'), undefined)
  const restored = await restoredDatabase(t, url)
  assert.equal(restored.prepare('SELECT count(*) FROM t').pluck().get(), rows)
  assert.deepEqual(errors, [])
})

test('if a writer loses its lease, this writer stops compacting, and only the new lease owner compacts', async (t) => {
  const { files, url } = emptyReplicaUrl(t)
  const { replica, db } = await openForWriting(t, url, { write: { compaction: SHORT, lease: '300ms' } })
  db.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  await until('the first file of level 1', () => levelOf(files, 1).length > 0)
  let fenced = 0
  replica.on('fenced', () => fenced++)
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  // Another process takes the lease between two renewals.
  await until('the other owner', async () => {
    const { data, tag } = (await client.getObject('lock.json'))!
    const { generation } = JSON.parse(Buffer.from(data).toString())
    const expires_at = new Date(Date.now() + 3_600_000).toISOString()
    const content = Buffer.from(JSON.stringify({ generation: generation + 1, owner: 'other:1:x', expires_at }))
    return client.putObject('lock.json', content, tag).then(
      () => true,
      () => false,
    )
  })
  await until('the loss', () => fenced > 0)
  const other = await openForWriting(t, url, { write: { lease: false, compaction: ['1h'] }, cacheSize: '3MiB' })
  const before = new Set(levelOf(files, 1))
  for (let i = 2; i < 6; i++) other.db.exec(`INSERT INTO t VALUES (${i})`)
  await until('the loser to see them', async () => {
    await replica.refresh()
    return replica.txid === 6
  })
  const errors: Error[] = []
  const compaction = new WriterCompaction({
    client,
    intervals: [20],
    allowed: () => true,
    onError: (error) => errors.push(error),
  })
  compaction.start()
  await until('the other one to compact', () => levelOf(files, 1).length > before.size)
  await compaction.close()
  const added = levelOf(files, 1).filter((name) => !before.has(name))
  assert.ok(added.every((name) => parseFileName(name)!.minTxid > 2))
  assert.deepEqual(errors, [])
})

test('after stop(), the compaction of a writer sends no request to the store until the next start()', async (t) => {
  const { url, files } = emptyReplicaUrl(t)
  const { db } = await openForWriting(t, url)
  db.exec('CREATE TABLE t (x)')
  const clients = await Promise.all([openReplicaClient(url), openReplicaClient(url)])
  for (const client of clients) cleanUp(t, () => client.close())
  const [first, second] = clients.map(
    (client) => new WriterCompaction({ client, intervals: [20], allowed: () => true, onError: assert.fail }),
  )
  const grow = (compaction: WriterCompaction, files_: string) => {
    const size = levelOf(files_, 1).length
    compaction.start()
    return until('a new file of level 1', () => {
      db.exec('INSERT INTO t VALUES (1)')
      return levelOf(files_, 1).length > size
    })
  }
  await grow(first!, files)
  await first!.stop()
  const requests = JSON.stringify(clients[0]!.stats())
  for (let i = 0; i < 3; i++) {
    await grow(second!, files)
    await second!.stop()
  }
  assert.equal(JSON.stringify(clients[0]!.stats()), requests)
  await grow(first!, files)
  await first!.close()
  first!.start()
  const after = JSON.stringify(clients[0]!.stats())
  await grow(second!, files)
  await second!.close()
  assert.equal(JSON.stringify(clients[0]!.stats()), after)
})

test('a compaction whose lease has expired writes nothing, even before the lease keeper notices', async (t) => {
  const { files, url } = emptyReplicaUrl(t)
  const { db } = await openForWriting(t, url)
  db.exec('CREATE TABLE t (x)')
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  let asked = 0
  const allowed = () => ++asked < 0
  const compaction = new WriterCompaction({ client, intervals: [20], allowed, onError: assert.fail })
  compaction.start()
  await until('every task to be refused', () => asked >= 5)
  await compaction.close()
  assert.deepEqual(readdirSync(path.join(files, 'ltx')), ['0'])
})

test('if a compaction of a writer fails, the writer emits an error event, and commits continue', async (t) => {
  const { files, url } = emptyReplicaUrl(t)
  const write = { lease: false, compaction: SHORT } as const
  const { replica, db } = await openForWriting(t, url, { write, pollInterval: '1h' })
  const codes: string[] = []
  replica.on('error', (error) => codes.push((error as Error & { code: string }).code))
  db.exec('CREATE TABLE t (x)')
  let rows = 0
  await until('the error', () => {
    db.exec(`INSERT INTO t VALUES (${++rows})`)
    truncateSync(path.join(files, 'ltx/0', levelOf(files, 0).sort().at(-1)!), 120)
    return codes.includes('LTX_CORRUPT')
  })
  db.exec(`INSERT INTO t VALUES (${++rows})`)
  assert.equal(db.prepare('SELECT count(*) FROM t').pluck().get(), rows)
})

test('a short-lived writer, a writer without a lease, and a writer with disabled compaction write only L0 files', async (t) => {
  for (const write of [true, { lease: false }, { compaction: false }] as const) {
    const { files, url } = emptyReplicaUrl(t)
    const { replica, db } = await openForWriting(t, url, { write })
    db.exec('CREATE TABLE t (x)')
    db.close()
    await replica.close()
    assert.deepEqual(readdirSync(path.join(files, 'ltx')), ['0'])
  }
})

test('by default, a writer with a lease compacts and a writer without a lease does not, and invalid compaction intervals are refused', () => {
  const resolve = (parameters: Record<string, string>) =>
    resolveOptions(formatKey({ replica_url: 'file:///x', write_enabled: '1', ...parameters })).write?.compaction
  const usual = [30_000, 300_000, 3_600_000]
  assert.deepEqual(resolve({}), usual)
  assert.equal(resolve({ lease: 'false' }), undefined)
  assert.equal(resolve({ compaction: 'false' }), undefined)
  assert.deepEqual(resolve({ lease: 'false', compaction: 'true' }), usual)
  assert.deepEqual(resolve({ compaction: '1s,1m' }), [1000, 60_000])
  for (const wrong of ['x', '1s,', '1s,0s', '-1s', '1s,1s,1s,1s,1s,1s,1s,1s,1s'])
    assert.throws(() => resolve({ compaction: wrong }), { code: 'CONFIG_INVALID', message: /^compaction: / }, wrong)
})
