// The lease between processes, on every kind of store: one primary writes while the other waits;
// one that is too slow receives the error that it lost the lease; a dead one is replaced after its
// lease has expired.
import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { openReplicaClient } from '../../../src/storage/open.js'
import type { ReplicaClient } from '../../../src/storage/replica-client.js'
import { natsUrl } from '../../support/nats.js'
import { s3Bucket, s3Url } from '../../support/s3.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { PrimaryChild } from '../primary-child.js'
import { assertReplicaEquals } from '../restored.js'

/** Milliseconds; renewed after a third of it. */
const TTL = 3000
/** A lease has to run out, on a machine that may be busy. */
const DEADLINE = 60_000

const stores: Record<string, (t: TestContext, dir: string) => Promise<string>> = {
  file: async (_, dir) => `file://${dir}/replica`,
  S3: async (t) => s3Url(await s3Bucket(t)),
  NATS: async () => natsUrl(),
}

interface Lock {
  readonly owner: string
  readonly generation: number
  readonly expires_at: string
}

async function lockOf(client: ReplicaClient): Promise<Lock | undefined> {
  const there = await client.getObject('lock.json')
  return there && JSON.parse(Buffer.from(there.data).toString())
}

function database(t: TestContext, file: string): { readonly file: string; write(): void } {
  const db = new Database(file)
  t.after(() => db.close())
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (v)')
  return { file, write: () => db.exec('INSERT INTO t VALUES (randomblob(1000))') }
}

// Most of the test is waiting, so all stores run in parallel.
test('a running owner renews its lease, a slow owner loses its lease with a reason, and another primary takes over the lease of a dead owner', {
  concurrency: true,
}, async (t) => {
  await Promise.all(Object.entries(stores).map(([store, urlOf]) => t.test(store, (inner) => passesOn(inner, urlOf))))
})

async function passesOn(t: TestContext, urlOf: (t: TestContext, dir: string) => Promise<string>): Promise<void> {
  const dir = temporaryDirectory(t)
  const url = await urlOf(t, dir)
  const client = await openReplicaClient(url)
  t.after(() => client.close())
  const [one, two] = ['one.db', 'two.db'].map((name) => database(t, path.join(dir, name)))
  const start = (file: string) => new PrimaryChild(t, file, url, { lease: true, leaseTtl: TTL })
  const ownedBy = (primary: PrimaryChild) =>
    until('the lease is its', async () => (await lockOf(client))?.owner.includes(`:${primary.pid}:`), DEADLINE)

  const first = start(one!.file)
  await first.waitFor('upload')
  await ownedBy(first)
  const second = start(two!.file)
  const held = await lockOf(client)
  await until(
    'it is renewed, past the time it had at first',
    async () => {
      const now = await lockOf(client)
      assert.equal(now?.owner, held!.owner)
      return Date.parse(now!.expires_at) > Date.parse(held!.expires_at) + TTL
    },
    DEADLINE,
  )
  assert.deepEqual(second.events, [], 'the second one waits, and has not touched its database')

  // Too slow: another primary holds the lease meanwhile.
  first.signal('SIGSTOP')
  await second.waitFor('upload')
  await ownedBy(second)
  assert.ok(Date.now() > Date.parse(held!.expires_at), 'not before the first one’s time had run out')
  one!.write()
  first.signal('SIGCONT')
  const lost = await until(
    'the first one gives up',
    () => first.of('error').find((e) => e.retryMs === undefined),
    DEADLINE,
  )
  const { code, message } = lost.error as { code: string; message: string }
  assert.equal(code, 'REPLICA_FENCED')
  assert.match(message, new RegExp(`:${second.pid}:.* until \\d{4}-`))
  two!.write()
  await second.sync()
  await assertReplicaEquals(url, two!.file)
  await first.stop()

  // Dead: it has not released the lease.
  await second.kill()
  const left = await lockOf(client)
  assert.match(left!.owner, new RegExp(`:${second.pid}:`))
  const third = start(one!.file)
  await third.waitFor('upload')
  assert.ok(Date.now() > Date.parse(left!.expires_at), 'not before the dead one’s time had run out')
  assert.ok((await lockOf(client))!.generation > left!.generation)
  await third.sync()
  assert.equal(await third.stop(), 0)
  await assertReplicaEquals(url, one!.file)
  assert.equal(await lockOf(client), undefined, 'a clean end gives it back')
}
