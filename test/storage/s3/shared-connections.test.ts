import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { shareConnections } from '../../../src/storage/http/connection-sharing.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import type { ReplicaClient } from '../../../src/storage/replica-client.js'
import { StoreTurns } from '../../../src/storage/store-turns.js'
import { startFaultProxy } from '../../support/fault-proxy.js'
import { s3Bucket, s3Server, s3Url } from '../../support/s3.js'

const file = { level: 0, minTxid: 1, maxTxid: 1 }

async function exists(client: ReplicaClient): Promise<boolean> {
  for await (const _ of client.list(0)) return true
  return false
}

test('if the clients of several replicas share connections, sequential requests need only one connection', async (t) => {
  shareConnections()
  const bucket = await s3Bucket(t)
  const proxy = await startFaultProxy({ target: s3Server().endpoint })
  t.after(() => proxy.close())
  const clients: ReplicaClient[] = []
  t.after(() => Promise.all(clients.map((client) => client.close())))
  proxy.reset()
  for (let i = 0; i < 30; i++) {
    const client = await openReplicaClient(s3Url(bucket, `${i}.db`, proxy.url))
    clients.push(client)
    await client.write(file, randomBytes(1000), { timestamp: 1 })
  }
  assert.equal(proxy.counts().connections, 1)
  // The end of one client ends no connection of another, and no request of the others.
  const reads = clients.slice(10).map((client) => client.read(file, { offset: 0, length: 1000 }))
  await Promise.all(clients.slice(0, 10).map((client) => client.close()))
  for (const { data } of await Promise.all(reads)) assert.equal(data.length, 1000)
  await assert.rejects(exists(clients[0]!), { code: 'ABORTED' })
  for (const client of clients.slice(10)) assert.equal(await exists(client), true)
  // Other credentials are not those of the others.
  const wrong = await openReplicaClient(s3Url(bucket, '1.db', proxy.url).replace(/:[^:@]*@/, ':wrong@'))
  clients.push(wrong)
  await assert.rejects(exists(wrong), { code: 'ACCESS_DENIED' })
  assert.equal(await exists(clients[11]!), true)
})

test('requests for the replicas of one store take turns, and do not delay requests to another store', async () => {
  const turns = new StoreTurns(3)
  const running = new Map<string, number>()
  let most = 0
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const work = (store: string) => async () => {
    running.set(store, (running.get(store) ?? 0) + 1)
    most = Math.max(most, running.get(store)!)
    if (store === 'stuck') await ended
    running.set(store, running.get(store)! - 1)
  }
  const stuck = Array.from({ length: 10 }, (_, i) => turns.run(`s3://stuck/${i}.db`, work('stuck')))
  const folder = turns.run('file:///mnt/a/1.db', work('stuck'))
  await Promise.all(Array.from({ length: 10 }, (_, i) => turns.run(`s3://works/${i}.db`, work('works'))))
  await turns.run('file:///mnt/b/1.db', work('works'))
  assert.equal(running.get('stuck'), 4)
  end()
  await Promise.all([...stuck, folder])
  assert.equal(running.get('stuck'), 0)
  assert.ok(most <= 4, `${most} at the same time`)
})
