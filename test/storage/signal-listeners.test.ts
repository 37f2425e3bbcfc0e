import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { openReplicaClient } from '../../src/storage/open.js'
import { cleanUp } from '../support/clean-up.js'
import { collect } from '../support/collect.js'
import { natsUrl } from '../support/nats.js'
import { s3Bucket, s3Url } from '../support/s3.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

/** More than Node's limit of ten, above which it warns of a leak. */
const CALLS = 40

const STORES: Readonly<Record<string, (t: TestContext) => string | Promise<string>>> = {
  file: (t) => pathToFileURL(temporaryDirectory(t)).href,
  s3: async (t) => s3Url(await s3Bucket(t), 'app.db'),
  nats: () => natsUrl('app.db'),
}

for (const [store, makeUrl] of Object.entries(STORES)) {
  test(`${store}: calls that share one AbortSignal add at most one listener to the signal, and no listener remains after the calls`, async (t) => {
    const client = await openReplicaClient(await makeUrl(t))
    cleanUp(t, () => client.close())
    const { signal } = new AbortController()
    const file = (txid: number) => ({ level: 0, minTxid: txid, maxTxid: txid })
    const body = randomBytes(600_000)
    let most = 0
    const count = () => {
      most = Math.max(most, getEventListeners(signal, 'abort').length)
    }
    const all = async (call: (i: number) => Promise<unknown>) => {
      const calls = Array.from({ length: CALLS }, (_, i) => call(i + 1))
      count()
      await Promise.all(calls.map((each) => each.then(count)))
      assert.equal(getEventListeners(signal, 'abort').length, 0)
    }
    const streamed = async (i: number) => {
      const parts: Uint8Array[] = []
      for await (const part of client.stream(file(i), { signal })) {
        count()
        parts.push(part)
      }
      assert.ok(body.equals(Buffer.concat(parts)))
    }
    await all((i) => client.write(file(i), body, { timestamp: i, signal }))
    await all((i) => client.read(file(i), { offset: 100, length: 70_000 }, { signal }))
    await all(streamed)
    await all(() => collect(client.list(0, { signal })))
    await all((i) => client.stat(file(i), { signal }))
    await all(() => client.getObject('lock.json', { signal }))
    // A stream that its consumer leaves.
    await all(async (i) => {
      for await (const _ of client.stream(file(i), { signal })) break
    })
    await client.delete([file(1)], { signal })
    await all((i) => assert.rejects(client.stat(file(i + CALLS), { signal })))
    assert.ok(most <= 1, `${most} listeners`)
  })
}
