import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { connect } from '@nats-io/transport-node'
import { isLitestreamError } from '../../../src/errors.js'
import { metaSubject } from '../../../src/storage/nats/names.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { natsServerUrl, natsUrl } from '../../support/nats.js'

const FILE = { level: 0, minTxid: 1, maxTxid: 1 }
const NAME = 'app.db/ltx/0/0000000000000001-0000000000000001.ltx'
const KEPT = { level: 0, minTxid: 2, maxTxid: 2 }
const body = new Uint8Array(1000)

/** A bucket with the file KEPT, and how to place any bytes as the description of an object. */
async function openBucket(t: TestContext) {
  const bucket = `test-${randomUUID()}`
  const open = async () => {
    const client = await openReplicaClient(natsUrl('app.db', bucket))
    cleanUp(t, () => client.close())
    return client
  }
  const connection = await connect({ servers: natsServerUrl() })
  cleanUp(t, () => connection.close())
  const client = await open()
  await client.write(KEPT, body, { timestamp: 1 })
  const describe = (name: string, json: string) => connection.request(metaSubject(bucket, name), json)
  return { open, client, describe }
}

function description(values: Readonly<Record<string, string>>, name = NAME): string {
  const all = { name: JSON.stringify(name), bucket: '"b"', nuid: '"N1"', size: '5', chunks: '1', ...values }
  return `{${Object.entries(all)
    .map(([key, value]) => `"${key}":${value}`)
    .join(',')}}`
}

const DAMAGED: Readonly<Record<string, string>> = {
  'a negative size': description({ size: '-1' }),
  'a size above 2^53': description({ size: '9007199254740993', chunks: '9000000000' }),
  'an infinite size': description({ size: '1e400' }),
  'a size with a fraction': description({ size: '1.5' }),
  'a size that is null': description({ size: 'null' }),
  'a size that is a string': description({ size: '"5"' }),
  'a negative chunk count': description({ chunks: '-3' }),
  'a chunk count above 2^53': description({ chunks: '1e300' }),
  'bytes without a chunk': description({ chunks: '0' }),
  'more bytes than its chunks can have': description({ size: '131073', options: '{"max_chunk_size":131072}' }),
  'more bytes than a message can have': description({ size: '1e12', options: '{"max_chunk_size":1e15}' }),
  'a wildcard as NUID': description({ nuid: '">"' }),
  'no NUID': description({ nuid: 'null' }),
  'a fault of its own that says there is none': description({ size: '-1', fault: 'null' }),
  'NaN, which is not JSON': description({ size: 'NaN' }),
  "another file's name": description({}, NAME.replaceAll('1', '2')),
  "another replica's name": description({}, 'other/file'),
  'no name': description({ name: 'null' }),
  'no bytes': '',
  'a list': '[]',
}

const isDamaged = (error: unknown) =>
  isLitestreamError(error, 'STORAGE_FAILED') &&
  error.file?.endsWith(NAME) === true &&
  error.message.includes('is damaged') &&
  error.hint !== undefined

for (const [what, json] of Object.entries(DAMAGED)) {
  test(`an object description with ${what} causes an error in every call until the object is deleted`, async (t) => {
    const { open, client, describe } = await openBucket(t)
    await describe(NAME, json)
    for (const each of [client, await open()]) {
      await assert.rejects(each.read(FILE, { offset: 0 }), isDamaged)
      await assert.rejects(collect(each.stream(FILE)), isDamaged)
      await assert.rejects(each.stat(FILE), isDamaged)
      await assert.rejects(collect(each.list(0)), isDamaged)
      // A second listing asks only for changes.
      await assert.rejects(collect(each.list(0)), isDamaged)
      assert.deepEqual(await collect(each.list(1)), [])
      assert.deepEqual(Buffer.from((await each.read(KEPT, { offset: 0 })).data), Buffer.from(body))
    }
    await client.delete([FILE])
    assert.deepEqual(
      (await collect((await open()).list(0))).map(({ minTxid }) => minTxid),
      [2],
    )
    await client.write(FILE, body, { timestamp: 1, createOnly: true })
    assert.equal((await client.read(FILE, { offset: 0 })).fileSize, body.length)
    assert.deepEqual(Buffer.from((await (await open()).read(KEPT, { offset: 0 })).data), Buffer.from(body))
  })
}

test('a damaged description of a lock object causes an error, and a damaged description in another replica of the bucket is ignored', async (t) => {
  const { client, describe } = await openBucket(t)
  await describe('other/ltx/0/0000000000000001-0000000000000001.ltx', '?')
  assert.equal((await collect(client.list(0))).length, 1)
  await describe('app.db/lock.json', description({ size: '-1' }, 'app.db/lock.json'))
  await assert.rejects(client.getObject('lock.json'), (error) => isLitestreamError(error, 'STORAGE_FAILED'))
})
