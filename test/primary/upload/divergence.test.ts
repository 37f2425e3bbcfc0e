import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { compact } from '../../../src/compaction/compact.js'
import { enforceL0Retention } from '../../../src/compaction/retention.js'
import type { CompactionSettings } from '../../../src/compaction/settings.js'
import { createSnapshot } from '../../../src/compaction/snapshot.js'
import { isLitestreamError } from '../../../src/errors.js'
import {
  DIVERGENCE_NAME,
  pendingDivergence,
  readDivergences,
  updateDivergences,
} from '../../../src/levels/divergence-record.js'
import { verifyReplica } from '../../../src/levels/verify-replica.js'
import type { PrimaryEvents } from '../../../src/primary/events.js'
import type { ReplicatorOptions } from '../../../src/primary/options.js'
import { replicateOnce } from '../../../src/primary/replicate-once.js'
import { Replicator } from '../../../src/primary/replicator.js'
import { restore } from '../../../src/restore/restore.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { contentHashes } from '../../support/content.js'
import { natsUrl } from '../../support/nats.js'
import { makeSource } from '../../support/replica.js'
import { s3Bucket, s3Url } from '../../support/s3.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { assertReplicaEquals } from '../restored.js'

const STORES: Readonly<Record<string, (t: TestContext, dir: string) => string | Promise<string>>> = {
  file: (_t, dir) => `file://${dir}/replica`,
  S3: async (t) => s3Url(await s3Bucket(t)),
  NATS: () => natsUrl('app.db'),
}

/** Everything is compacted, and deleted after a second, as often as possible. */
const EAGER: CompactionSettings = {
  levels: [
    { level: 1, interval: 20 },
    { level: 2, interval: 60 },
  ],
  snapshot: { interval: 40, retention: 1000 },
  l0Retention: 1000,
  l0RetentionCheckInterval: 20,
  retentionEnabled: true,
}
const FAST = { monitorInterval: 5, syncInterval: 5, shutdownSyncTimeout: 0 }

interface Lost {
  readonly dir: string
  readonly file: string
  readonly url: string
  /** A copy of the good database. */
  readonly good: string
  readonly txid: number
  readonly timestamp: number
}

const SCHEMA = 'CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)'

function open(file: string): Database.Database {
  const app = new Database(file)
  app.pragma('journal_mode = wal')
  return app
}

/**
 * A replicated database that was lost together with its state folder. `pages`: about so many it
 * had.
 */
async function lostDatabase(t: TestContext, makeUrl = STORES.file!, pages = 40): Promise<Lost> {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const good = path.join(dir, 'good.db')
  const url = await makeUrl(t, dir)
  const app = open(file)
  app.exec(SCHEMA)
  for (let i = 0; i < pages; i++) {
    app.exec('INSERT INTO t (v) VALUES (randomblob(3000))')
    if (i % 10 === 0) await replicateOnce(file, url)
  }
  const { txid } = await replicateOnce(file, url)
  app.exec(`VACUUM INTO '${good}'`)
  app.close()
  const timestamp = Date.now()
  lose(file)
  return { dir, file, good, url, txid, timestamp }
}

function lose(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
  rmSync(path.join(path.dirname(file), `.${path.basename(file)}-litestream`), { recursive: true, force: true })
}

interface Running {
  readonly replicator: Replicator
  readonly divergences: PrimaryEvents['divergence'][]
  /** Files deleted by retention, by level. */
  readonly deleted: Map<number, number>
}

async function primary(
  t: TestContext,
  { file, url }: Pick<Lost, 'file' | 'url'>,
  options: Partial<ReplicatorOptions> = {},
): Promise<Running> {
  const divergences: PrimaryEvents['divergence'][] = []
  const deleted = new Map<number, number>()
  const replicator = new Replicator(file, await openReplicaClient(url), { ...FAST, ...options }, (name, event) => {
    if (name === 'divergence') divergences.push(event as PrimaryEvents['divergence'])
    if (name !== 'retention') return
    const { level, files } = event as PrimaryEvents['retention']
    deleted.set(level, (deleted.get(level) ?? 0) + files)
  })
  cleanUp(t, () => replicator.abandon())
  return { replicator, divergences, deleted }
}

/** Restores to a TXID or a time and compares with the good database. */
async function assertGood({ dir, good, url }: Lost, target: { txid?: number; timestamp?: number }): Promise<void> {
  const output = path.join(dir, 'brought-back.db')
  const client = await openReplicaClient(url)
  try {
    await restore(client, { output, force: true, integrityCheck: 'full', ...target })
    const { t: table } = contentHashes(output)
    assert.ok(table)
    assert.equal(table, contentHashes(good).t)
  } finally {
    await client.close()
  }
}

/** Commits until retention has deleted files of level 0 and snapshots since now. */
async function untilDeleted(app: Database.Database, { replicator, deleted }: Running): Promise<void> {
  const before = new Map(deleted)
  const since = (level: number) => (deleted.get(level) ?? 0) - (before.get(level) ?? 0)
  await until('retention deletes L0 files, L1 files and snapshots', async () => {
    app.exec('INSERT INTO t (v) VALUES (randomblob(100))')
    await replicator.sync({ wait: true })
    return since(0) > 0 && since(1) > 0 && since(9) > 1
  })
}

for (const [store, makeUrl] of Object.entries(STORES)) {
  test(`${store}: if an empty database takes the place of a lost database, the replica keeps the files that can restore the lost database`, async (t) => {
    const lost = await lostDatabase(t, makeUrl)
    const app = open(lost.file)
    cleanUp(t, () => app.close())
    app.exec(SCHEMA)
    const first = await primary(t, lost, { compaction: EAGER })
    first.replicator.start()
    await until('it is replicated', () => (first.replicator.status().replicaTxid ?? 0) > lost.txid)
    assert.equal(first.divergences.length, 1)
    const [{ divergence, text, hint }] = first.divergences as [PrimaryEvents['divergence']]
    assert.deepEqual(
      [divergence.reason, divergence.replica.txid, divergence.local.txid],
      ['unrelated', lost.txid, lost.txid + 1],
    )
    assert.match(
      text,
      /app\.db does not continue the newest state of .*: the local database is another database; the database has .* KiB at TXID 0{10}.*, the replica had .* KiB at TXID 0{10}/,
    )
    assert.match(hint, /litestream-ts restore -force -txid 0{12}.* -o .*app\.db .*; |`litestream-ts acknowledge /)
    await untilDeleted(app, first)
    await assertGood(lost, { txid: lost.txid })
    await first.replicator.abandon()

    const second = await primary(t, lost, { compaction: EAGER })
    second.replicator.start()
    await untilDeleted(app, second)
    assert.deepEqual(second.divergences, [])
    assert.equal(second.replicator.status().divergence?.replica.txid, lost.txid)
    assert.equal((await second.replicator.acknowledge()).length, 1)
    assert.equal(second.replicator.status().divergence, undefined)
    await assertGood(lost, { txid: lost.txid })
    await assertGood(lost, { timestamp: lost.timestamp })
    await second.replicator.close()
    await assertReplicaEquals(lost.url, lost.file)
    const client = await openReplicaClient(lost.url)
    cleanUp(t, () => client.close())
    assert.deepEqual((await verifyReplica(client)).faults, [])
  })
}

test('a restored database continues its replica, even without a state folder, and even after new commits', async (t) => {
  const lost = await lostDatabase(t)
  const client = await openReplicaClient(lost.url)
  cleanUp(t, () => client.close())
  await restore(client, { output: lost.file })
  const app = open(lost.file)
  cleanUp(t, () => app.close())
  app.exec('DELETE FROM t WHERE id > 3; VACUUM')
  const { replicator, divergences } = await primary(t, lost)
  await replicator.sync({ wait: true })
  assert.deepEqual([divergences, await readDivergences(client)], [[], []])
  await assertReplicaEquals(lost.url, lost.file)
})

test('if the database goes back to an earlier state, the primary reports a divergence', async (t) => {
  const dir = temporaryDirectory(t)
  const [file, url] = [path.join(dir, 'app.db'), `file://${dir}/replica`]
  const app = open(file)
  app.exec(SCHEMA)
  const { txid } = await replicateOnce(file, url)
  for (let i = 0; i < 4; i++) {
    app.exec('INSERT INTO t (v) VALUES (randomblob(3000))')
    const replicator = new Replicator(file, await openReplicaClient(url), FAST, () => {})
    await replicator.sync({ wait: true })
    await replicator.checkpoint('TRUNCATE')
    await replicator.sync({ wait: true })
    await replicator.close()
  }
  app.close()
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  lose(file)
  await restore(client, { output: file, txid })
  const older = await primary(t, { file, url })
  const { txid: olderTxid } = await older.replicator.sync({ wait: true })
  const [{ divergence }] = older.divergences as [PrimaryEvents['divergence']]
  assert.deepEqual([divergence.reason, divergence.replica.txid], ['older', olderTxid - 1])
})

test('if the database is replaced during replication, the primary reports a divergence until the original database returns', async (t) => {
  const dir = temporaryDirectory(t)
  const [file, url] = [path.join(dir, 'app.db'), `file://${dir}/replica`]
  const app = open(file)
  app.exec(`${SCHEMA}; INSERT INTO t (v) VALUES (randomblob(30000))`)
  const { replicator, divergences } = await primary(t, { file, url })
  const { txid } = await replicator.sync({ wait: true })
  app.close()
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
  await assert.rejects(replicator.sync({ wait: true }))
  const other = open(file)
  other.exec(SCHEMA)
  await until('the new database is replicated', async () => {
    return (await replicator.sync({ wait: true }).catch(() => undefined))?.replicaTxid === txid + 1
  })
  assert.deepEqual(
    divergences.map(({ divergence }) => [divergence.reason, divergence.replica.txid]),
    [['unrelated', txid]],
  )
  await replicator.close()
  other.close()
  lose(file)
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  await restore(client, { output: file, txid })
  const back = await primary(t, { file, url })
  await back.replicator.sync({ wait: true })
  assert.deepEqual([back.divergences, back.replicator.status().divergence], [[], undefined])
})

test('a replica that Litestream wrote does not name its database, so the primary compares page contents and database sizes', async (t) => {
  for (const [reason, rows] of [
    ['smaller', 1],
    ['unrelated', 40],
  ] as const) {
    const dir = temporaryDirectory(t)
    const [file, url] = [path.join(dir, 'app.db'), `file://${dir}/replica`]
    const source = await makeSource(t, { url })
    const insert = 'INSERT INTO t (v) VALUES (randomblob(3000))'
    await source.history.commit(SCHEMA)
    for (let i = 0; i < 40; i++) source.history.db.exec(insert)
    await source.history.commit(insert)
    const client = await openReplicaClient(url)
    cleanUp(t, () => client.close())
    await restore(client, { output: file })
    const copy = open(file)
    copy.exec(insert)
    const same = await primary(t, { file, url })
    const { txid } = await same.replicator.sync({ wait: true })
    assert.deepEqual(same.divergences, [])
    await same.replicator.close()
    copy.close()
    // The file with the random number that names the database goes again.
    await client.delete([{ level: 0, minTxid: txid, maxTxid: txid }])
    lose(file)
    const app = open(file)
    cleanUp(t, () => app.close())
    app.exec(SCHEMA)
    for (let i = 0; i < rows; i++) app.exec(insert)
    const other = await primary(t, { file, url })
    await other.replicator.sync({ wait: true })
    assert.deepEqual(
      other.divergences.map(({ divergence }) => divergence.reason),
      [reason],
    )
  }
})

test('with on-divergence: refuse, the primary uploads nothing until the user acknowledges the divergence', async (t) => {
  const lost = await lostDatabase(t)
  const app = open(lost.file)
  cleanUp(t, () => app.close())
  app.exec(SCHEMA)
  const client = await openReplicaClient(lost.url)
  cleanUp(t, () => client.close())
  for (let start = 0; start < 2; start++) {
    const { replicator, divergences } = await primary(t, lost, { onDivergence: 'refuse' })
    await assert.rejects(replicator.sync({ wait: true }), (error) => isLitestreamError(error, 'REPLICA_DIVERGED'))
    await assert.rejects(replicator.sync({ wait: true }), (error) => isLitestreamError(error, 'REPLICA_DIVERGED'))
    assert.deepEqual([divergences.length, replicator.status().replicaTxid], [1, lost.txid])
    await replicator.abandon()
  }
  assert.equal((await readDivergences(client)).length, 1)
  const { replicator } = await primary(t, lost, { onDivergence: 'refuse' })
  await replicator.acknowledge()
  await replicator.sync({ wait: true })
  await assertReplicaEquals(lost.url, lost.file)
})

test('with on-divergence: restore, the database at the replica’s newest TXID replaces the local database, which is kept under another name', async (t) => {
  const lost = await lostDatabase(t)
  const app = open(lost.file)
  app.exec(`${SCHEMA}; INSERT INTO t (v) VALUES ('of the new database')`)
  const { replicator } = await primary(t, lost, { onDivergence: 'restore' })
  await assert.rejects(replicator.sync({ wait: true }), (error) => isLitestreamError(error, 'OUTPUT_BUSY'))
  app.close()
  const { replicaTxid } = await replicator.sync({ wait: true })
  assert.deepEqual([replicaTxid, replicator.status().divergence], [lost.txid + 1, undefined])
  assert.equal(contentHashes(lost.file).t, contentHashes(lost.good).t)
  await assertReplicaEquals(lost.url, lost.file)
  const copies = readdirSync(lost.dir).filter((name) => /^app\.db-diverged-\d{8}T\d{6}Z$/.test(name))
  assert.equal(copies.length, 1)
  const copy = new Database(path.join(lost.dir, copies[0]!), { readonly: true })
  cleanUp(t, () => copy.close())
  assert.equal(copy.prepare('SELECT v FROM t').pluck().get(), 'of the new database')
})

test('a damaged or forged divergence record causes an error with the next step, and no wrong file is deleted', async (t) => {
  const lost = await lostDatabase(t)
  const client = await openReplicaClient(lost.url)
  cleanUp(t, () => client.close())
  const app = open(lost.file)
  cleanUp(t, () => app.close())
  app.exec(SCHEMA)
  await replicateOnce(lost.file, lost.url)
  await compact(client, { level: 1 })
  await createSnapshot(client)
  const points = await readDivergences(client)
  const replace = async (data: string) => {
    const tag = (await client.getObject(DIVERGENCE_NAME))?.tag ?? null
    await client.putObject(DIVERGENCE_NAME, Buffer.from(data), tag)
  }
  const old = { l0Retention: 1, now: Date.now() + 3_600_000 }
  const good = JSON.stringify({ version: 1, points })
  const forged = (change: object) => JSON.stringify({ version: 1, points: [{ ...points[0], ...change }] })
  for (const damaged of [
    'no JSON',
    '{}',
    `${good.slice(0, -1)},"x":${'['.repeat(300_000)}`,
    JSON.stringify({ version: 1, points: Array(33).fill(points[0]) }),
    forged({ at: 'today' }),
    forged({ replica: { ...points[0]!.replica, txid: 2 ** 60 } }),
  ]) {
    await replace(damaged)
    await assert.rejects(
      enforceL0Retention(client, old),
      (error) => isLitestreamError(error, 'LTX_CORRUPT') && error.hint.includes(DIVERGENCE_NAME),
    )
  }
  await assertGood(lost, { txid: lost.txid })
  // Well-formed, about a TXID that no file has, and of the year 9999: it holds nothing, and ends
  // nothing.
  const isoTime = { at: '9999-01-01T00:00:00Z', acknowledgedAt: undefined }
  await replace(forged({ ...isoTime, replica: { ...points[0]!.replica, txid: 2 ** 50 } }))
  assert.ok((await enforceL0Retention(client, old)).length > 0)
})

test('if a database is created again at every start, the divergence record stays small and keeps the entry with the largest database', async (t) => {
  const lost = await lostDatabase(t)
  const client = await openReplicaClient(lost.url)
  cleanUp(t, () => client.close())
  const start = async () => {
    const app = open(lost.file)
    app.exec(SCHEMA)
    await replicateOnce(lost.file, lost.url)
    app.close()
    lose(lost.file)
  }
  await start()
  await updateDivergences(client, 0, ([first]) => {
    const empty = (txid: number) => ({ ...first!, replica: { ...first!.replica, txid, pages: 4 } })
    return [first!, ...Array.from({ length: 31 }, (_, i) => empty(1000 + i))]
  })
  await start()
  const points = await readDivergences(client)
  assert.deepEqual([points.length, pendingDivergence(points)?.replica.txid], [32, lost.txid])
  await assertGood(lost, { txid: lost.txid })
})
