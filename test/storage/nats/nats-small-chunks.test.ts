import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { natsUrl } from '../../support/nats.js'
import { putInPieces } from '../../support/nats-pieces.js'

const file = { level: 9, minTxid: 1, maxTxid: 1 }

test('a NATS object with thousands of small chunks is read with few requests, and the read leaves no listener', async (t) => {
  const bucket = `test-${randomUUID()}`
  const body = randomBytes(9_000_001)
  const chunks = await putInPieces(bucket, body, [6, 900, 4, 2000])
  assert.ok(chunks > 12_000)
  const client = await openReplicaClient(natsUrl('', bucket))
  cleanUp(t, () => client.close())
  const warnings: Error[] = []
  const onWarning = (warning: Error) => void warnings.push(warning)
  process.on('warning', onWarning)
  cleanUp(t, () => process.off('warning', onWarning))
  const { signal } = new AbortController()
  const requests = () => client.stats().GET.requests + client.stats().LIST.requests + client.stats().HEAD.requests
  const [listed] = await collect(client.list(9))
  assert.equal(listed?.size, body.length)

  const before = requests()
  assert.ok(body.equals(Buffer.concat(await collect(client.stream(file, { signal })))))
  assert.ok(body.equals((await client.read(file, { offset: 0 }, { signal })).data))
  assert.ok(
    body.subarray(5_000_003).equals(Buffer.concat(await collect(client.stream(file, { offset: 5_000_003, signal })))),
  )
  const ranges = [
    [0, 1],
    [899, 20],
    [123_457, 65_536],
    [8_999_000, 1001],
  ] as const
  for (const [offset, length] of ranges) {
    const { data } = await client.read(file, { offset, length }, { signal })
    assert.ok(body.subarray(offset, offset + length).equals(data), `${length} bytes from ${offset}`)
  }
  assert.ok(body.subarray(-65_536).equals((await client.read(file, { suffix: 65_536 }, { signal })).data))
  assert.ok(requests() - before < 60, `${requests() - before} requests for ${chunks} chunks`)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  await new Promise(setImmediate)
  assert.deepEqual(
    warnings.filter(({ name }) => name === 'MaxListenersExceededWarning'),
    [],
  )
})
