import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { configFromText } from '../../../src/config/load.js'
import { isLitestreamError } from '../../../src/errors.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { DIALECT_KEYS, DIALECTS, serveDialect } from '../../support/s3-dialects.js'

const file = (txid: number) => ({ level: 0, minTxid: txid, maxTxid: txid })
const taken = (error: unknown) => isLitestreamError(error, 'PRECONDITION_FAILED')

for (const [name, dialect] of Object.entries(DIALECTS)) {
  test(`${name}: a replica can be written, read and deleted, and is fenced as far as the service supports fencing`, async (t) => {
    const store = await serveDialect(t, dialect)
    const clients = await Promise.all([1, 2].map(() => openReplicaClient(dialect.url, { s3: DIALECT_KEYS })))
    for (const client of clients) cleanUp(t, () => client.close())
    const [one, other] = clients as [(typeof clients)[0], (typeof clients)[0]]
    const body = randomBytes(3 * 2 ** 20)
    await one.write(file(1), body, { timestamp: 7, createOnly: true })
    const { createOnly, compareAndSet } = await one.guarantees!.ask()
    assert.deepEqual(
      { createOnly, compareAndSet },
      { createOnly: dialect.createOnly, compareAndSet: dialect.compareAndSet },
    )
    assert.deepEqual([...store.objects.keys()], ['app/0000/0000000000000001-0000000000000001.ltx'])
    await assert.rejects(other.write(file(1), randomBytes(9), { timestamp: 1, createOnly: true }), taken)
    const { data } = await other.read(file(1), { offset: 5000, length: 100_000 })
    assert.ok(body.subarray(5000, 105_000).equals(data))
    assert.equal((await other.stat(file(1))).createdAt, 7)

    const tag = await one.putObject('primary.json', Buffer.from('1'), null)
    await assert.rejects(other.putObject('primary.json', Buffer.from('2'), null), taken)
    const next = await one.putObject('primary.json', Buffer.from('3'), tag)
    await assert.rejects(other.putObject('primary.json', Buffer.from('4'), tag), taken)
    await one.deleteObject('primary.json', next)

    for (let txid = 2; txid <= 20; txid++) await one.write(file(txid), randomBytes(10), { timestamp: 1 })
    assert.equal((await collect(other.list(0, { fromTxid: 15 }))).length, 6)
    await one.delete(Array.from({ length: 20 }, (_, i) => file(i + 1)))
    assert.equal(store.objects.size, 0)
  })
}

test('every form of an oss URL works with keys from the environment, and a wrong bucket and missing keys are errors', async () => {
  Object.assign(process.env, { OSS_ACCESS_KEY_ID: 'K', OSS_ACCESS_KEY_SECRET: 'secret-of-the-test' })
  try {
    for (const url of [
      'oss://bucket/app.db',
      'oss://bucket.oss-cn-shanghai.aliyuncs.com/app.db',
      'oss://bucket.oss-cn-shanghai-internal.aliyuncs.com/app.db',
    ]) {
      const client = await openReplicaClient(url)
      assert.deepEqual([client.type, client.url], ['oss', 'oss://bucket/app.db'])
      await client.close()
    }
    await assert.rejects(openReplicaClient('oss://Bad_Bucket/x'), (error) => isLitestreamError(error, 'INVALID_URL'))
  } finally {
    delete process.env.OSS_ACCESS_KEY_ID
    delete process.env.OSS_ACCESS_KEY_SECRET
  }
  await assert.rejects(
    openReplicaClient('oss://bucket/app.db'),
    (error) => isLitestreamError(error, 'ACCESS_DENIED') && /OSS_ACCESS_KEY_ID/.test(error.hint),
  )
})

test('the example configuration on the documentation page of each S3 service is valid', () => {
  const folder = path.join(import.meta.dirname, '../../../../docs/providers')
  const pages = readdirSync(folder)
  for (const name of Object.keys(DIALECTS)) assert.ok(pages.includes(`${name}.md`), name)
  for (const page of pages) {
    for (const [, yaml] of readFileSync(path.join(folder, page), 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g)) {
      assert.ok(configFromText(yaml!, page), page)
    }
  }
})
