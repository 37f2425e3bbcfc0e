import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { isLitestreamError } from '../../src/errors.js'
import { KnownLevels } from '../../src/levels/known-levels.js'
import { formatFileName } from '../../src/ltx/file-name.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { collect } from '../support/collect.js'
import { putFile } from '../support/put-file.js'
import { s3Bucket, s3Url } from '../support/s3.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

async function fixture(t: TestContext, most?: number) {
  const dir = path.join(temporaryDirectory(t), 'replica')
  const client = new KnownLevels(await openReplicaClient(`file://${dir}`), most === undefined ? {} : { most })
  const put = (level: number, minTxid: number, maxTxid = minTxid) =>
    client.write({ level, minTxid, maxTxid }, Buffer.from('x'), { timestamp: 1000, createOnly: true })
  const list = async (level: number, fromTxid?: number) =>
    (await collect(client.list(level, fromTxid === undefined ? {} : { fromTxid }))).map((file) => file.maxTxid)
  const nameOf = (level: number, min: number, max = min) => path.join(dir, `ltx/${level}`, formatFileName(min, max))
  return { client, put, list, nameOf, lists: () => client.stats().LIST.requests }
}

test('KnownLevels lists a level in the store only once, and then adds this process’s writes and deletions to the listing', async (t) => {
  const { client, put, list, lists } = await fixture(t)
  await put(0, 1)
  assert.deepEqual(await list(0), [1])
  await put(0, 2)
  await put(0, 3)
  assert.deepEqual(await list(0), [1, 2, 3])
  assert.deepEqual(await list(0, 3), [3])
  await client.delete([{ level: 0, minTxid: 2, maxTxid: 2 }])
  assert.deepEqual(await list(0), [1, 3])
  assert.equal(lists(), 1)
  assert.deepEqual(await list(1), [])
  await put(1, 1, 3)
  assert.deepEqual(await list(1), [3])
  assert.equal(lists(), 2)
  assert.ok(
    (await collect(client.list(1)))[0]!.createdAt > Date.now() - 60_000,
    'its age counts from when it was written',
  )
})

test('KnownLevels lists the store again after a missing file, after an error and after forget()', async (t) => {
  const { client, put, list, nameOf, lists } = await fixture(t)
  for (let i = 1; i <= 3; i++) await put(0, i)
  assert.deepEqual(await list(0), [1, 2, 3])
  rmSync(nameOf(0, 2))
  assert.deepEqual(await list(0), [1, 2, 3])
  await assert.rejects(client.read({ level: 0, minTxid: 2, maxTxid: 2 }, { offset: 0 }), { code: 'NOT_FOUND' })
  assert.deepEqual(await list(0), [1, 3])
  rmSync(nameOf(0, 1))
  await assert.rejects(collect(client.stream({ level: 0, minTxid: 1, maxTxid: 1 })), { code: 'NOT_FOUND' })
  assert.deepEqual(await list(0), [3])
  putFile(nameOf(0, 4), 'another writer')
  await assert.rejects(put(0, 4), (error) => isLitestreamError(error, 'PRECONDITION_FAILED'))
  assert.deepEqual(await list(0), [3, 4])
  assert.equal(lists(), 4)
  mkdirSync(path.dirname(nameOf(1, 1)), { recursive: true })
  assert.deepEqual(await list(1), [])
  putFile(nameOf(1, 1), 'another writer')
  assert.deepEqual(await list(1), [])
  client.forget()
  assert.deepEqual(await list(1), [1])
})

test('KnownLevels includes a file that is written while the file’s level is being listed', async (t) => {
  const { client, put, list } = await fixture(t)
  await put(0, 1)
  const listing = client.list(0)[Symbol.asyncIterator]()
  const [first] = await Promise.all([listing.next(), put(0, 2)])
  assert.equal(first.value.maxTxid, 1)
  while (!(await listing.next()).done);
  assert.deepEqual(await list(0), [1, 2])
})

test('KnownLevels keeps only the newest files of a level with many files, and knows that the level has more files', async (t) => {
  const { put, list, lists } = await fixture(t, 4)
  assert.deepEqual(await list(0), [])
  for (let i = 1; i <= 5; i++) await put(0, i)
  assert.deepEqual(await list(0, 5), [5])
  assert.equal(lists(), 1)
  assert.deepEqual(await list(0), [1, 2, 3, 4, 5])
  assert.equal(lists(), 2)
  await put(0, 6)
  assert.deepEqual(await list(0, 6), [6])
  assert.equal(lists(), 2)
})

test('S3: KnownLevels lists all levels with one LIST and then keeps the listing of each level that did not change during the LIST', async (t) => {
  const bucket = await s3Bucket(t)
  const store = await openReplicaClient(s3Url(bucket))
  t.after(() => store.close())
  const client = new KnownLevels(store)
  const put = (level: number, minTxid: number, maxTxid = minTxid) =>
    client.write({ level, minTxid, maxTxid }, Buffer.from('x'), { timestamp: 1000, createOnly: true })
  const list = async (level: number, fromTxid = 0) =>
    (await collect(client.list(level, { fromTxid }))).map((file) => file.maxTxid)
  for (const txid of [1, 2, 3]) await put(0, txid)
  await put(1, 1, 2)
  await put(9, 1, 2)
  const lists = () => client.stats().LIST.requests
  const listing = client.listUpwards!(0)[Symbol.asyncIterator]()
  const [first] = await Promise.all([listing.next(), put(1, 3)])
  assert.equal(first.value.maxTxid, 1)
  while (!(await listing.next()).done);
  assert.equal(lists(), 1)
  for (const level of [2, 3, 4, 5, 6, 7, 8]) assert.deepEqual(await list(level), [])
  assert.deepEqual(await list(0), [1, 2, 3])
  assert.deepEqual(await list(9), [2])
  assert.equal(lists(), 1)
  assert.deepEqual(await list(1), [2, 3], 'a file was written while it was listed')
  assert.equal(lists(), 2)
  await collect(client.listUpwards!(0, { fromTxid: 3 }))
  assert.deepEqual(await list(0, 3), [3])
  assert.equal(lists(), 3)
  assert.deepEqual(await list(0), [1, 2, 3], 'of the first level only what was asked for is known')
  assert.equal(lists(), 4)
})
