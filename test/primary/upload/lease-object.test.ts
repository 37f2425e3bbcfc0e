// The object lock.json: removed, damaged, written by clocks that are wrong.
import assert from 'node:assert/strict'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { Lease } from '../../../src/levels/lease.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const TTL = 1000
const HOUR = 3_600_000

async function fixture(t: TestContext) {
  const root = path.join(temporaryDirectory(t), 'replica')
  const client = await openReplicaClient(`file://${root}`)
  cleanUp(t, () => client.close())
  const time = { monotonic: 0 }
  /** A primary whose wall clock can be set. */
  const machine = () => {
    const wall = { offset: 1_900_000_000_000 }
    const clock = { now: () => wall.offset + time.monotonic, monotonic: () => time.monotonic }
    return { lease: new Lease(client, { ttl: TTL, clock }), wall }
  }
  const object = () => {
    const name = readdirSync(root).find((entry) => entry.startsWith('lock.json.'))!
    return path.join(root, name)
  }
  return { time, machine, object, client }
}

test('if lock.json is removed, the owner of the lease writes lock.json again', async (t) => {
  const { machine, object } = await fixture(t)
  const { lease } = machine()
  await lease.acquire()
  rmSync(object())
  assert.equal(await lease.renew(), 'lock.json was removed')
  assert.equal(lease.held, true)
  assert.equal(await lease.renew(), undefined)
  assert.equal((await machine().lease.acquire())?.owner, lease.owner)
})

test('if lock.json is damaged, the owner of the lease writes lock.json again', async (t) => {
  const { machine, client } = await fixture(t)
  const { lease } = machine()
  await lease.acquire()
  for (const text of ['not JSON', '{"generation":1,"owner":"x","expires_at":"30 February"}', '[]']) {
    const { tag } = (await client.getObject('lock.json'))!
    await client.putObject('lock.json', Buffer.from(text), tag)
    assert.equal(await lease.renew(), 'lock.json was damaged')
  }
  assert.equal(lease.held, true)
})

test('a primary takes over the damaged lock.json of a dead owner after one TTL', async (t) => {
  const { machine, object, time } = await fixture(t)
  await machine().lease.acquire()
  writeFileSync(object(), 'not JSON')
  const { lease } = machine()
  assert.match((await lease.acquire())!.owner, /unknown primary \(lock\.json is damaged\)/)
  time.monotonic += TTL - 1
  assert.notEqual(await lease.acquire(), undefined)
  time.monotonic += 1
  assert.equal(await lease.acquire(), undefined)
  assert.equal(lease.held, true)
})

test('a primary does not mistake its own lease request whose response was lost for a request of another primary', async (t) => {
  const { machine, client } = await fixture(t)
  const { lease } = machine()
  await lease.acquire()
  const { tag, data } = (await client.getObject('lock.json'))!
  await client.putObject('lock.json', data, tag)
  assert.equal(await lease.renew(), undefined)
})

test('if lock.json is removed after a primary’s lease has expired, the primary treats the lease as lost', async (t) => {
  const { machine, object, time } = await fixture(t)
  const { lease } = machine()
  await lease.acquire()
  time.monotonic += TTL
  rmSync(object())
  await assert.rejects(lease.renew(), { code: 'REPLICA_FENCED' })
})

test('if the wall clock of the lease owner steps, the owner keeps the lease', async (t) => {
  const { machine, time } = await fixture(t)
  const { lease, wall } = machine()
  await lease.acquire()
  for (const step of [HOUR, -2 * HOUR, 24 * HOUR]) {
    wall.offset += step
    assert.equal(lease.held, true)
    time.monotonic += TTL / 3
    await lease.renew()
  }
  time.monotonic += TTL
  assert.equal(lease.held, false)
})

test('if the clock of a waiting primary steps ahead, the primary does not take a lease that its owner renews', async (t) => {
  const { machine, time } = await fixture(t)
  const owner = machine().lease
  const { lease, wall } = machine()
  await owner.acquire()
  assert.notEqual(await lease.acquire(), undefined)
  wall.offset += 24 * HOUR
  for (let i = 0; i < 10; i++) {
    time.monotonic += TTL / 3
    await owner.renew()
    assert.notEqual(await lease.acquire(), undefined)
  }
  time.monotonic += TTL
  assert.equal(await lease.acquire(), undefined)
})

test('if the clock of a waiting primary steps back, the primary still takes over a dead owner’s lease after one TTL', async (t) => {
  const { machine, time } = await fixture(t)
  const owner = machine().lease
  const { lease, wall } = machine()
  await owner.acquire()
  assert.notEqual(await lease.acquire(), undefined)
  wall.offset -= HOUR
  time.monotonic += TTL
  assert.equal(await lease.acquire(), undefined)
})

test('if a lease’s expiry time is a year ahead and the lease does not change for ten TTLs, another primary takes over the lease', async (t) => {
  const { machine, time } = await fixture(t)
  const { lease: owner, wall } = machine()
  wall.offset += 365 * 24 * HOUR
  await owner.acquire()
  const { lease } = machine()
  assert.notEqual(await lease.acquire(), undefined)
  time.monotonic += 10 * TTL - 1
  assert.notEqual(await lease.acquire(), undefined)
  time.monotonic += 1
  assert.equal(await lease.acquire(), undefined)
})
