import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutObjectLockConfigurationCommand,
} from '@aws-sdk/client-s3'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import Database from 'better-sqlite3'
import { listLevel } from '../../src/compaction/compact.js'
import type { CompactionSettings } from '../../src/compaction/settings.js'
import { configFromText } from '../../src/config/load.js'
import { isLitestreamError } from '../../src/errors.js'
import { mirror } from '../../src/mirror/mirror.js'
import type { PrimaryEvents } from '../../src/primary/events.js'
import { Replicator } from '../../src/primary/replicator.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import type { ReplicaClient } from '../../src/storage/replica-client.js'
import { WriteOnceClient } from '../../src/storage/write-once.js'
import { cleanUp } from '../support/clean-up.js'
import { contentHashes } from '../support/content.js'
import { loopbackS3, sendError } from '../support/loopback-s3.js'
import { natsServerUrl, natsUrl } from '../support/nats.js'
import { s3Sdk, s3Url } from '../support/s3.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

interface Place {
  readonly url: string
  /** Throws if an object was overwritten or deleted, or if a request to do so was refused. */
  readonly assertOnlyCreated: () => void | Promise<void>
}

/** A store in memory that refuses what a policy for write-once buckets refuses, and counts it. */
async function strictStore(t: TestContext): Promise<Place> {
  const refused: string[] = []
  const store = await loopbackS3(t, ({ kind, key, headers, query }, response) => {
    // Parts of an upload create no object; a policy exempts them.
    const creates = kind === 'PUT' && (headers['if-none-match'] === '*' || query.has('partNumber'))
    const begins = kind === 'POST' && (query.has('uploads') || query.has('uploadId'))
    if (kind === 'PUT' && headers['content-md5'] === undefined) refused.push(`PUT ${key} without a checksum`)
    if (kind === 'GET' || kind === 'HEAD' || kind === 'LIST' || creates || begins) return false
    refused.push(`${kind} ${key}`)
    sendError(response, 403, 'AccessDenied')
    return true
  })
  return { url: store.url(), assertOnlyCreated: () => assert.deepEqual(refused, []) }
}

/** A bucket of RADOS Gateway with Object Lock: every version of every object stays for a day. */
async function lockedBucket(t: TestContext): Promise<Place> {
  const sdk = s3Sdk()
  const Bucket = `locked-${randomUUID()}`
  await sdk.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
  await sdk.send(
    new PutObjectLockConfigurationCommand({
      Bucket,
      ObjectLockConfiguration: {
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } },
      },
    }),
  )
  const versions = async () => {
    const { Versions = [], DeleteMarkers = [], IsTruncated } = await sdk.send(new ListObjectVersionsCommand({ Bucket }))
    return { Versions, DeleteMarkers, IsTruncated }
  }
  cleanUp(t, async () => {
    for (;;) {
      const { Versions, DeleteMarkers } = await versions()
      if (Versions.length + DeleteMarkers.length === 0) break
      for (const { Key, VersionId } of [...Versions, ...DeleteMarkers]) {
        await sdk.send(new DeleteObjectCommand({ Bucket, Key, VersionId, BypassGovernanceRetention: true }))
      }
    }
    await sdk.send(new DeleteBucketCommand({ Bucket }))
    sdk.destroy()
  })
  return {
    url: s3Url(Bucket),
    assertOnlyCreated: async () => {
      const { Versions, DeleteMarkers, IsTruncated } = await versions()
      assert.equal(IsTruncated, false)
      assert.deepEqual(DeleteMarkers, [])
      // This server ignores If-None-Match on a bucket with versions, which only a probe finds out.
      const keys = Versions.map(({ Key }) => Key).filter((key) => key !== 'app.db/write-once-probe')
      assert.deepEqual(
        keys.filter((key, i) => keys.indexOf(key) !== i),
        [],
        'objects with two versions',
      )
    },
  }
}

/** No message of the bucket's stream was removed: an overwritten or deleted object removes some. */
function natsBucket(): Place {
  const bucket = `test-${randomUUID()}`
  return {
    url: natsUrl('app.db', bucket),
    assertOnlyCreated: async () => {
      const connection = await connect({ servers: natsServerUrl() })
      try {
        const { state } = await (await jetstreamManager(connection)).streams.info(`OBJ_${bucket}`)
        assert.deepEqual([state.num_deleted ?? 0, state.messages], [0, state.last_seq])
      } finally {
        await connection.close()
      }
    },
  }
}

const STORES: Readonly<Record<string, (t: TestContext, dir: string) => Place | Promise<Place>>> = {
  file: (_t, dir) => ({ url: `file://${dir}/replica`, assertOnlyCreated: () => undefined }),
  'a strict S3 store': strictStore,
  'S3 with Object Lock': lockedBucket,
  NATS: natsBucket,
}

/** Everything is compacted, and would be deleted after a second, as often as possible. */
const EAGER: CompactionSettings = {
  levels: [
    { level: 1, interval: 100 },
    { level: 2, interval: 300 },
  ],
  snapshot: { interval: 200, retention: 1000 },
  l0Retention: 1000,
  l0RetentionCheckInterval: 100,
  retentionEnabled: true,
}

/** A client of the store below write-once mode that notes every request to replace or delete. */
async function noting(url: string, noted: string[]): Promise<ReplicaClient> {
  const client = await openReplicaClient(url, { writeOnce: true })
  const inner: ReplicaClient = Object.create(client) as ReplicaClient
  return Object.assign(inner, {
    write: (...[file, body, options]: Parameters<ReplicaClient['write']>) => {
      if (!options.createOnly) noted.push(`write ${file.level} ${file.maxTxid}`)
      return client.write(file, body, options)
    },
    delete: (...args: Parameters<ReplicaClient['delete']>) => {
      noted.push('delete')
      return client.delete(...args)
    },
    putObject: (...args: Parameters<ReplicaClient['putObject']>) => {
      if (args[2] !== null) noted.push(`put ${args[0]}`)
      return client.putObject(...args)
    },
    deleteObject: (...args: Parameters<ReplicaClient['deleteObject']>) => {
      noted.push(`delete ${args[0]}`)
      return client.deleteObject(...args)
    },
  })
}

function makeApp(t: TestContext, file: string): Database.Database {
  const app = new Database(file)
  cleanUp(t, () => app.close())
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
  return app
}

for (const [store, makePlace] of Object.entries(STORES)) {
  test(`${store}: a write-once replica survives restarts, a lost volume and a second primary, and no object of the replica is overwritten or deleted`, async (t) => {
    const dir = temporaryDirectory(t)
    const file = path.join(dir, 'app.db')
    const place = await makePlace(t, dir)
    const noted: string[] = []
    const errors: PrimaryEvents['error'][] = []
    const start = async (database: string, acknowledged?: PrimaryEvents['divergence'][]) => {
      const client = new WriteOnceClient(await noting(place.url, noted))
      const options = { monitorInterval: 10, syncInterval: 10, compaction: EAGER }
      const replicator = new Replicator(database, client, options, (name, event) => {
        if (name === 'error') errors.push(event as PrimaryEvents['error'])
        if (name === 'divergence') acknowledged?.push(event as PrimaryEvents['divergence'])
      })
      cleanUp(t, () => replicator.abandon())
      replicator.start()
      return replicator
    }
    const look = await openReplicaClient(place.url)
    cleanUp(t, () => look.close())
    const level = async (number: number) => listLevel(look, number, 0, undefined)

    let app = makeApp(t, file)
    const first = await start(file)
    await until('there are files of every level', async () => {
      app.exec('INSERT INTO t (v) VALUES (randomblob(500))')
      await first.sync({ wait: true })
      return (await level(2)).length > 1 && (await level(9)).length > 1
    })
    const kept = (await level(0)).length
    await first.close()

    // An idle database gets new snapshots, because rules of the store may delete the last one.
    const second = await start(file)
    await second.sync({ wait: true })
    const newest = (await level(9)).at(-1)!.maxTxid
    await until('an idle database has two more snapshots', async () => {
      return (await level(9)).filter(({ maxTxid }) => maxTxid > newest).length >= 2
    })
    assert.ok((await level(0)).length >= kept, 'no L0 file was deleted')
    assert.equal((await level(0))[0]!.maxTxid, 1)
    await second.close()

    // The volume is lost: an empty database takes its place.
    app.close()
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
    rmSync(path.join(dir, '.app.db-litestream'), { recursive: true })
    app = makeApp(t, file)
    const divergences: PrimaryEvents['divergence'][] = []
    const third = await start(file, divergences)
    await third.sync({ wait: true })
    assert.deepEqual([divergences.length, third.status().divergence?.reason], [1, 'unrelated'])
    assert.equal((await third.acknowledge()).length, 1)
    await third.close()
    const fourth = await start(file)
    await fourth.sync({ wait: true })
    assert.equal(fourth.status().divergence, undefined)

    // Two primaries: exactly one is fenced.
    const other = makeApp(t, path.join(dir, 'other.db'))
    const rival = await start(path.join(dir, 'other.db'))
    await until('one of two primaries is fenced', () => {
      app.exec('INSERT INTO t (v) VALUES (1)')
      other.exec('INSERT INTO t (v) VALUES (2)')
      return [fourth, rival].some((each) => each.status().state === 'fenced')
    })
    const isFenced = (each: Replicator) => each.status().state === 'fenced'
    assert.notEqual(isFenced(fourth), isFenced(rival))
    const winner = isFenced(fourth) ? rival : fourth
    await winner.sync({ wait: true })
    await winner.close()
    await (winner === rival ? fourth : rival).abandon()

    const output = path.join(dir, 'restored.db')
    await restore(look, { output, integrityCheck: 'full' })
    assert.deepEqual(contentHashes(output), contentHashes(winner.path))
    assert.deepEqual(noted, [])
    const codes = errors.filter(({ error }) => error.code !== 'REPLICA_FENCED').map(({ error }) => error.message)
    assert.deepEqual(codes, [])
    await place.assertOnlyCreated()
  })
}

test('a mirror to a write-once store keeps the files that the source deletes, and creates each file once', async (t) => {
  const dir = temporaryDirectory(t)
  const place = await strictStore(t)
  const app = makeApp(t, path.join(dir, 'app.db'))
  const source = await openReplicaClient(`file://${dir}/source`)
  const replicator = new Replicator(
    app.name,
    source,
    { monitorInterval: 10, syncInterval: 10, compaction: EAGER },
    () => {},
  )
  cleanUp(t, () => replicator.abandon())
  replicator.start()
  const destination = await openReplicaClient(place.url, { writeOnce: true })
  cleanUp(t, () => destination.close())
  await replicator.sync({ wait: true })
  const seen = new Set<number>()
  await until('the source has deleted its first L0 files', async () => {
    app.exec('INSERT INTO t (v) VALUES (randomblob(100))')
    await replicator.sync({ wait: true })
    const { deleted } = await mirror(source, destination)
    assert.deepEqual(deleted, [])
    const [oldest] = await listLevel(source, 0, 0, undefined)
    if (oldest) seen.add(oldest.minTxid)
    return seen.size > 2
  })
  await replicator.close()
  await place.assertOnlyCreated()
  const output = path.join(dir, 'restored.db')
  await restore(destination, { output, integrityCheck: 'full' })
})

test('with write-once, settings that replace or delete objects are refused or reported as ineffective', async (t) => {
  const dir = temporaryDirectory(t)
  const configOf = (more: string, top = '') =>
    configFromText(
      `${top}\ndbs: [{ path: ${dir}/app.db, replica: { url: "file://${dir}/r", write-once: true }, ${more} }]`,
      'litestream.yml',
    )
  const invalid = (pattern: RegExp) => (error: unknown) =>
    isLitestreamError(error, 'CONFIG_INVALID') && pattern.test(error.message) && error.hint.length > 0
  assert.throws(() => configOf('lease: true'), invalid(/lock\.json, which `write-once` rules out/))
  const mirrors = `mirrors: [{ url: "file://${dir}/m", write-once: true, retention: 24h }]`
  assert.throws(() => configOf(mirrors), invalid(/mirror with `write-once` deletes no files/))
  const { warnings } = configOf('', 'snapshot: { retention: 48h }\nretention: { enabled: true }')
  assert.deepEqual(
    warnings.map((warning) => /(\S+) has no effect on replicas with write-once/.exec(warning)?.[1]),
    ['snapshot.retention', 'retention.enabled'],
  )
  const client = await openReplicaClient(`file://${dir}/r`, { writeOnce: true })
  cleanUp(t, () => client.close())
  const refused = (error: unknown) => isLitestreamError(error, 'INVALID_ARGUMENT') && /write-once/.test(error.message)
  const ref = { level: 0, minTxid: 1, maxTxid: 1 }
  await assert.rejects(client.delete([ref]), refused)
  await assert.rejects(client.deleteObject('primary.json', 'x'), refused)
  await assert.rejects(client.putObject('primary.json', Buffer.from('{}'), 'x'), refused)
  assert.throws(() => new Replicator(`${dir}/app.db`, client, { lease: true }, () => {}), refused)
})
