// What the product does with a replica, on every kind of store: read through the VFS, restore one
// or all below a prefix, follow, mirror in both directions, and keep a second writer away.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { isLitestreamError } from '../../src/errors.js'
import { Lease } from '../../src/levels/lease.js'
import { mirror } from '../../src/mirror/mirror.js'
import { replicateOnce } from '../../src/primary/replicate-once.js'
import { Replicator } from '../../src/primary/replicator.js'
import { follow } from '../../src/restore/follow.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { requireGuarantees, weakFencing } from '../../src/storage/write-guarantees.js'
import { run } from '../cli/run.js'
import { assertReplicaEquals } from '../primary/restored.js'
import { cleanUp } from '../support/clean-up.js'
import { EVERY_STORE, useEnv } from '../support/every-store.js'
import { notRun } from '../support/not-run.js'
import { connect, openTestReplica, value } from '../support/replica.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'
import { openForWriting } from '../support/written-replica.js'

function database(t: TestContext, file: string) {
  mkdirSync(path.dirname(file), { recursive: true })
  const db = new Database(file)
  cleanUp(t, () => db.close())
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t (v) VALUES (1)')
  return { file, write: () => db.exec('INSERT INTO t (v) VALUES (randomblob(3000))') }
}

async function opened(t: TestContext, url: string) {
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  return client
}

const rowsIn = (file: string) => {
  const db = new Database(file, { readonly: true, fileMustExist: true })
  try {
    return db.prepare('SELECT count(*) FROM t').pluck().get() as number
  } finally {
    db.close()
  }
}

const isFenced = (error: unknown) => isLitestreamError(error, 'REPLICA_FENCED')

for (const store of EVERY_STORE) {
  test(`${store.name}: a replica can be read, restored together with other replicas, followed and mirrored`, async (t) => {
    if (store.missing !== undefined) return notRun(t, store.name, store.missing)
    const place = await store.place(t)
    useEnv(t, place.env())
    const dir = temporaryDirectory(t)
    const [one, two] = ['a.db', 'deep/b.db'].map((name) => database(t, path.join(dir, name))) as [
      ReturnType<typeof database>,
      ReturnType<typeof database>,
    ]
    two.write()
    const url = place.url('many/a.db')
    await replicateOnce(one.file, url)
    await replicateOnce(two.file, place.url('many/deep/b.db'))

    const out = path.join(dir, 'out')
    const all = await run(['restore', '-all', '-json', '-o', out, place.url('many')])
    assert.equal(all.status, 0, all.stderr)
    assert.deepEqual([rowsIn(path.join(out, 'a.db')), rowsIn(path.join(out, 'deep/b.db'))], [1, 2])

    const replica = await openTestReplica(t, url)
    const reader = connect(t, replica.uri)
    assert.equal(value(reader, 'SELECT count(*) FROM t'), 1)
    const followed = path.join(dir, 'followed.db')
    const stop = new AbortController()
    const client = await opened(t, url)
    let at = 0
    const following = follow(client, {
      output: followed,
      interval: 20,
      signal: stop.signal,
      onAdvance: ({ txid }) => {
        at = txid
      },
    })
    cleanUp(t, () => stop.abort())
    await until('it is restored', () => at > 0)
    one.write()
    const { txid } = await replicateOnce(one.file, url)
    await until('the follower has the new row', () => at === txid)
    stop.abort()
    await following
    assert.equal(rowsIn(followed), 2)
    await until('the reader has the new row', () => value(reader, 'SELECT count(*) FROM t') === 2)

    const copy = `file://${path.join(dir, 'copy')}`
    const folder = await opened(t, copy)
    assert.equal((await mirror(client, folder)).txid, txid)
    await assertReplicaEquals(copy, one.file)
    const mirrored = place.url('mirrored')
    assert.equal((await mirror(folder, await opened(t, mirrored))).txid, txid)
    await assertReplicaEquals(mirrored, one.file)
  })

  test(`${store.name}: a second primary is fenced, and ${store.strong ? 'one of several primaries takes a lease' : 'a lease and writing through the VFS are refused'}`, async (t) => {
    if (store.missing !== undefined) return notRun(t, store.name, store.missing)
    const place = await store.place(t)
    useEnv(t, place.env())
    const dir = temporaryDirectory(t)
    const [one, two] = ['one.db', 'two.db'].map((name) => database(t, path.join(dir, name))) as [
      ReturnType<typeof database>,
      ReturnType<typeof database>,
    ]
    const url = place.url('app.db')
    const primary = async (file: string) => {
      const replicator = new Replicator(file, await openReplicaClient(url), { shutdownSyncTimeout: 0 }, () => {})
      cleanUp(t, () => replicator.abandon())
      return replicator
    }
    const first = await primary(one.file)
    await first.sync({ wait: true })
    const client = await opened(t, url)
    // As if the second one ran on another machine.
    const record = await client.getObject('primary.json')
    await client.deleteObject('primary.json', record!.tag)
    const second = await primary(two.file)
    await second.sync({ wait: true })
    one.write()
    await assert.rejects(first.sync({ wait: true }), isFenced)
    two.write()
    await second.sync({ wait: true })
    await second.abandon()
    await assertReplicaEquals(url, two.file)

    const leased = await Promise.all([1, 2, 3, 4].map(() => opened(t, place.url('leased.db'))))
    const leases = leased.map((each) => new Lease(each, { ttl: 60_000 }))
    const asked = await Promise.allSettled(leases.map((lease) => lease.acquire()))
    if (store.strong) {
      assert.deepEqual(
        asked.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : [])),
        [],
      )
      assert.equal(leases.filter(({ held }) => held).length, 1)
      return
    }
    const refused = (error: unknown) =>
      isLitestreamError(error, 'STORAGE_FAILED') &&
      /needs conditional writes, and /.test(error.message) &&
      /docs\/storage\.md/.test(error.hint)
    for (const each of asked) assert.ok(each.status === 'rejected' && refused(each.reason), JSON.stringify(each))
    const through = 'writing through the VFS'
    if (store.inProcess) await assert.rejects(requireGuarantees(leased[0]!, through, ['createOnly']), refused)
    else {
      const { db } = await openForWriting(t, place.url('written.db'))
      assert.throws(() => db.exec('CREATE TABLE t (v)'))
      const reason = db.prepare('SELECT litestream_error()').pluck().get() as string
      assert.match(reason, /^STORAGE_FAILED: .*writing through the VFS needs conditional writes, and /)
    }
    assert.match(weakFencing(leased[0]!)!, /./)
  })
}
