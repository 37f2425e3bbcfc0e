import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { isLitestreamError } from '../../../src/errors.js'
import { Lease } from '../../../src/levels/lease.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const NAME = 'lock.json'
const bytes = (text: string) => new TextEncoder().encode(text)

async function openFolder(t: TestContext) {
  const root = temporaryDirectory(t)
  const client = await openReplicaClient(pathToFileURL(root).href)
  cleanUp(t, () => client.close())
  return { root, client }
}

test('after a foreign lock file with the number 9999999999 appears, a lease can still be renewed, released and taken', async (t) => {
  const { root, client } = await openFolder(t)
  const lease = new Lease(client, { ttl: 60_000 })
  assert.equal(await lease.acquire(), undefined)
  writeFileSync(path.join(root, `${NAME}.9999999999`), 'foreign')
  assert.equal(await lease.renew(), `${NAME} was damaged`)
  assert.equal(await lease.renew(), undefined)
  assert.equal(await new Lease(client, { ttl: 60_000 }).acquire().then((owner) => owner?.owner), lease.owner)
  await lease.release()
  assert.equal(await new Lease(client, { ttl: 60_000 }).acquire(), undefined)
  assert.deepEqual(readdirSync(root), [`${NAME}.10000000003`])
})

test('directories and links that are named like a version of the lock file are skipped and not deleted', async (t) => {
  const { root, client } = await openFolder(t)
  let tag = await client.putObject(NAME, bytes('1'), null)
  mkdirSync(path.join(root, `${NAME}.0000000002`))
  symlinkSync('nowhere', path.join(root, `${NAME}.0000000003`))
  assert.equal(Buffer.from((await client.getObject(NAME))!.data).toString(), '1')
  tag = await client.putObject(NAME, bytes('2'), tag)
  mkdirSync(path.join(root, `${NAME}.9999999999`))
  tag = await client.putObject(NAME, bytes('3'), tag)
  assert.equal(Buffer.from((await client.getObject(NAME))!.data).toString(), '3')
  await client.deleteObject(NAME, tag)
  assert.equal(await client.getObject(NAME), undefined)
  await client.putObject(NAME, bytes('4'), null)
  assert.ok(existsSync(path.join(root, `${NAME}.0000000002`)))
  assert.ok(existsSync(path.join(root, `${NAME}.9999999999`)))
})

test('a lock file number above 2^53 is ignored, and after the highest possible number a write fails with a hint', async (t) => {
  const { root, client } = await openFolder(t)
  const ignored = ['99999999999999999999', '00000000000000000009', 'x', '12345']
  for (const number of ignored) writeFileSync(path.join(root, `${NAME}.${number}`), 'foreign')
  assert.equal(await client.getObject(NAME), undefined)
  assert.equal(await client.putObject(NAME, bytes('1'), null), '1')
  const last = path.join(root, `${NAME}.${Number.MAX_SAFE_INTEGER}`)
  writeFileSync(last, 'foreign')
  const { tag } = (await client.getObject(NAME))!
  await assert.rejects(
    client.putObject(NAME, bytes('2'), tag),
    (error) => isLitestreamError(error, 'STORAGE_FAILED') && error.file === last && error.hint !== undefined,
  )
})
