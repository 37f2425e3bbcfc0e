import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { isLitestreamError } from '../../../src/errors.js'
import { Lease } from '../../../src/levels/lease.js'
import { verifyReplica } from '../../../src/levels/verify-replica.js'
import type { ReplicatorOptions } from '../../../src/primary/options.js'
import { replicateOnce } from '../../../src/primary/replicate-once.js'
import { Replicator } from '../../../src/primary/replicator.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { PrimaryChild } from '../primary-child.js'
import { assertReplicaEquals } from '../restored.js'

const FAST = { monitorInterval: 5, syncInterval: 5, shutdownSyncTimeout: 0 }

function database(t: TestContext, file: string) {
  const app = new Database(file)
  t.after(() => app.close())
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
  const insert = app.prepare('INSERT INTO t (v) VALUES (randomblob(300))')
  return { file, write: () => insert.run() }
}

async function primary(t: TestContext, file: string, url: string, options: Partial<ReplicatorOptions> = {}) {
  const replicator = new Replicator(file, await openReplicaClient(url), { ...FAST, ...options }, () => {})
  t.after(() => replicator.abandon())
  return replicator
}

const isFenced = (error: unknown) => isLitestreamError(error, 'REPLICA_FENCED')

test('a second primary on one machine is refused at its start, and the error names the first primary', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const one = database(t, path.join(dir, 'one.db'))
  const two = database(t, path.join(dir, 'two.db'))
  const first = new PrimaryChild(t, one.file, url)
  await first.sync()
  const second = await primary(t, two.file, url)
  await assert.rejects(second.sync({ wait: true }), (error: Error) => {
    assert.ok(isFenced(error))
    assert.match(error.message, /another primary writes to .*: process \d+ on .* has replicated .*one\.db since 20/)
    return true
  })
  assert.equal(second.status().state, 'fenced')
  one.write()
  await first.sync()
  await assertReplicaEquals(url, one.file)
  // After it is killed, it is known not to run; the other one may take over.
  await first.kill()
  const third = await primary(t, two.file, url)
  await third.sync({ wait: true })
  await assertReplicaEquals(url, two.file)
})

test('if two primaries do not see each other, the slower primary reports the other writer and its write time, and stops permanently', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const one = database(t, path.join(dir, 'one.db'))
  const two = database(t, path.join(dir, 'two.db'))
  const first = await primary(t, one.file, url)
  await first.sync({ wait: true })
  // As if the second one ran on another machine: the writer record of the first is missing.
  const client = await openReplicaClient(url)
  const record = await client.getObject('primary.json')
  await client.deleteObject('primary.json', record!.tag)
  const second = await primary(t, two.file, url)
  await second.sync({ wait: true })
  one.write()
  await assert.rejects(first.sync({ wait: true }), (error: Error) => {
    assert.ok(isFenced(error))
    assert.match(error.message, /process \d+ on .*two\.db.* wrote TXID 0000000000000002 at 20/)
    return true
  })
  await assert.rejects(first.sync(), isFenced)
  await first.abandon()
  // Nothing of the winner is damaged.
  assert.deepEqual((await verifyReplica(client)).faults, [])
  two.write()
  await second.sync({ wait: true })
  await assertReplicaEquals(url, two.file)
  await assert.rejects(replicateOnce(one.file, url), isFenced, 'a restart does not take the replica back')
  await assertReplicaEquals(url, two.file)
  await client.close()
})

test('a primary does not mistake its own write whose response was lost for a write of another primary', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const one = database(t, path.join(dir, 'one.db'))
  const client = await openReplicaClient(url)
  let lost = 0
  const flaky: typeof client = Object.create(client, {
    write: {
      value: async (...args: Parameters<typeof client.write>) => {
        const written = await client.write(...args)
        if (lost++ === 0) throw Object.assign(new Error('connection reset'), { code: 'ECONNRESET' })
        return written
      },
    },
  })
  for (const name of ['list', 'read', 'getObject', 'putObject', 'deleteObject', 'close'] as const) {
    Object.defineProperty(flaky, name, { value: (client[name] as (...args: never[]) => unknown).bind(client) })
  }
  const replicator = new Replicator(one.file, flaky, FAST, () => {})
  t.after(() => replicator.abandon())
  await assert.rejects(replicator.sync({ wait: true }))
  one.write()
  assert.deepEqual(await replicator.sync({ wait: true }), { txid: 2, replicaTxid: 2 })
  await assertReplicaEquals(url, one.file)
})

test('a second primary waits for the lease, and gets the lease when the first primary ends', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const one = database(t, path.join(dir, 'one.db'))
  const two = database(t, path.join(dir, 'two.db'))
  const lease = { lease: true, leaseTtl: 1500 }
  const first = await primary(t, one.file, url, lease)
  first.start()
  await until('the first works', () => first.status().replicaTxid === 1, 60_000)
  const second = await primary(t, two.file, url, lease)
  second.start()
  await assert.rejects(second.sync(), (error: Error) => {
    assert.ok(isFenced(error))
    assert.match(error.message, /has the lease until 20/)
    return true
  })
  assert.equal(second.status().state, 'standby')
  one.write()
  await first.close()
  await until('the second works', () => second.status().replicaTxid !== undefined, 60_000)
  await second.sync({ wait: true })
  await second.close()
  await assertReplicaEquals(url, two.file)
})

test('another primary takes over an expired lease, and the former owner detects the loss', async (t) => {
  const client = await openReplicaClient(`file://${temporaryDirectory(t)}/replica`)
  t.after(() => client.close())
  let now = 1_000_000
  const clock = { now: () => now, monotonic: () => now }
  const one = new Lease(client, { ttl: 1000, clock })
  const two = new Lease(client, { ttl: 1000, clock })
  assert.equal(await one.acquire(), undefined)
  assert.deepEqual(await two.acquire(), { owner: one.owner, expiresAt: 1_001_000 })
  now += 900
  await one.renew()
  now += 900
  assert.equal((await two.acquire())?.owner, one.owner)
  now += 200
  assert.equal(one.held, false)
  assert.equal(await two.acquire(), undefined)
  await assert.rejects(one.renew(), isFenced)
  await one.release()
  await two.renew()
  await two.release()
  assert.equal(await one.acquire(), undefined)
})
