import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { faultyS3 } from '../../support/faulty-s3.js'

const file = { level: 0, minTxid: 1, maxTxid: 1 }

test('the client opens as many connections as there are parallel requests, up to a maximum, and reuses these connections', async (t) => {
  const { client, proxy } = await faultyS3(t, { firstByteTimeout: 60_000, idleTimeout: 60_000 })
  const body = randomBytes(300_000)
  await client.write(file, body, { timestamp: 1 })
  const read = async (i: number) => {
    const offset = (i % 290) * 1000
    const { data } = await client.read(file, { offset, length: 4096 })
    assert.ok(body.subarray(offset, offset + 4096).equals(data))
  }
  const reads = (count: number) => Promise.all(Array.from({ length: count }, (_, i) => read(i)))
  proxy.reset()
  for (let i = 0; i < 20; i++) await read(i)
  assert.equal(proxy.counts().connections, 0, 'the one of the write serves them all')
  for (let round = 0; round < 5; round++) await reads(8)
  assert.ok(proxy.counts().connections <= 7)
  assert.equal(proxy.counts().requests, 20 + 5 * 8)
  await reads(300)
  assert.ok(proxy.counts().connections <= 127)
  assert.ok(proxy.counts().maxConcurrent <= 128)
})
