import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  SASProtocol,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { isLitestreamError } from '../../../src/errors.js'
import { restore } from '../../../src/restore/restore.js'
import { openAbsClient } from '../../../src/storage/abs/abs-client.js'
import type { AbsLocation } from '../../../src/storage/abs/location.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { parseReplicaUrl } from '../../../src/storage/url.js'
import { file, inPieces, testBytes } from '../../conformance/replica-client/bytes.js'
import {
  AZURE_ACCOUNT,
  AZURE_KEY,
  azureContainer,
  azureEndpoint,
  azureMissing,
  azureUrl,
  newContainer,
} from '../../support/azure.js'
import { runScript } from '../../support/child.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { notRun } from '../../support/not-run.js'
import { roundTrip } from '../../support/store-round-trip.js'

const KEY_NAMES = ['LITESTREAM_AZURE_ACCOUNT_KEY', 'LITESTREAM_AZURE_SAS_TOKEN'] as const

/** A test against Azurite, without credentials in the environment. */
function azureTest(name: string, run: (t: TestContext, container: string) => Promise<void>): void {
  test(name, async (t) => {
    if (azureMissing !== undefined) return notRun(t, 'Azurite', azureMissing)
    for (const key of KEY_NAMES) delete process.env[key]
    await run(t, await newContainer(t))
  })
}

const endpointParameter = () => `endpoint=${encodeURIComponent(azureEndpoint())}`

function sasToken(container: string, permissions: string): string {
  const options = {
    containerName: container,
    permissions: ContainerSASPermissions.parse(permissions),
    protocol: SASProtocol.HttpsAndHttp,
    expiresOn: new Date(Date.now() + 3_600_000),
  }
  return generateBlobSASQueryParameters(options, new StorageSharedKeyCredential(AZURE_ACCOUNT, AZURE_KEY)).toString()
}

azureTest('a database is replicated to Azure, read through the VFS and restored', async (t, container) => {
  await roundTrip(t, azureUrl(container))
})

azureTest('a writer killed in the middle of an upload leaves no blob, and the name is free', async (t, container) => {
  const url = azureUrl(container)
  const child = runScript(
    t,
    `const { openReplicaClient } = await import(src + '/storage/open.js')
    const client = await openReplicaClient(${JSON.stringify(url)})
    async function* body() {
      for (let i = 0; i < 40; i++) {
        if (client.stats().PUT.requests > 1) process.kill(process.pid, 'SIGKILL')
        yield new Uint8Array(1024 * 1024)
      }
    }
    await client.write({ level: 0, minTxid: 1, maxTxid: 1 }, body(), { timestamp: 1, createOnly: true })`,
  )
  assert.equal(await child.ended, 'SIGKILL', child.errors())
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  assert.deepEqual(await collect(client.list(0)), [])
  await assert.rejects(client.stat(file(1)), (error) => isLitestreamError(error, 'NOT_FOUND'))
  await client.write(file(1), inPieces(testBytes(20_000_000), 1_000_000), { timestamp: 1, createOnly: true })
  assert.equal((await client.stat(file(1))).size, 20_000_000)
})

azureTest('a SAS token takes precedence over the key, and settings over the environment', async (t, container) => {
  const good = sasToken(container, 'racwdl')
  const reading = sasToken(container, 'rl')
  const url = `abs://${AZURE_ACCOUNT}@${container}/app.db?${endpointParameter()}`
  const write = async (settings: Parameters<typeof openReplicaClient>[1], txid: number, at = url) => {
    const client = await openReplicaClient(at, settings)
    cleanUp(t, () => client.close())
    await client.write(file(txid), testBytes(10), { timestamp: 1, createOnly: true })
  }
  const refused = (error: unknown) => isLitestreamError(error, 'ACCESS_DENIED')
  await write({ abs: { sasToken: good } }, 1)
  await write({ abs: { sasToken: `?${good}` } }, 2)
  await write({ abs: { accountKey: AZURE_KEY } }, 3)
  await assert.rejects(write({ abs: { accountKey: AZURE_KEY, sasToken: reading } }, 4), refused)
  await write({}, 5, `${url}&sasToken=${encodeURIComponent(good)}`)

  process.env.LITESTREAM_AZURE_ACCOUNT_KEY = AZURE_KEY
  await write({}, 6)
  process.env.LITESTREAM_AZURE_SAS_TOKEN = reading
  await assert.rejects(write({}, 7), refused)
  await write({ abs: { sasToken: good } }, 8)
  for (const key of KEY_NAMES) delete process.env[key]

  const wrong = `${AZURE_KEY.slice(0, -4)}AA==`
  await assert.rejects(write({ abs: { accountKey: wrong } }, 9), (error) => {
    assert.ok(isLitestreamError(error, 'ACCESS_DENIED'))
    assert.match(error.hint, /^Check (that )?the key or SAS token/)
    assert.ok(!`${error.stack}${error.message}`.includes(wrong))
    return true
  })
})

azureTest(
  'objects beside the replica and foreign names in its levels are omitted from a listing',
  async (t, container) => {
    const client = await openReplicaClient(azureUrl(container))
    cleanUp(t, () => client.close())
    await client.write(file(1), testBytes(10), { timestamp: 5_000 })
    const others = ['app.db/ltx/0/notes.txt', 'app.db/ltx/0/sub/x.ltx', 'app.db/ltx/10/a', 'app.db/ltx/a', 'app.dbx/y']
    for (const name of others) await azureContainer(container).getBlockBlobClient(name).upload('x', 1)
    assert.deepEqual(
      (await collect(client.list(0))).map(({ minTxid }) => minTxid),
      [1],
    )
    assert.equal((await collect(client.listUpwards!(0))).length, 1)
    const blob = azureContainer(container).getBlobClient('app.db/ltx/0/0000000000000001-0000000000000001.ltx')
    const { litestreamupload, ...metadata } = (await blob.getProperties()).metadata!
    assert.match(litestreamupload!, /^[0-9a-f-]{36}$/)
    assert.deepEqual(metadata, { litestreamtimestamp: '1970-01-01T00:00:05Z' })
  },
)

azureTest('a listing of several pages has every file, and requests no unneeded page', async (t, container) => {
  const location = parseReplicaUrl(azureUrl(container)) as AbsLocation
  const client = openAbsClient(location, {}, { pageSize: 4 })
  cleanUp(t, () => client.close())
  for (let txid = 1; txid <= 10; txid++) await client.write(file(txid), testBytes(10), { timestamp: 1 })
  const before = client.stats().LIST.requests
  assert.equal((await collect(client.list(0))).length, 10)
  assert.equal(client.stats().LIST.requests - before, 3)
  for await (const _ of client.list(0)) break
  assert.equal(client.stats().LIST.requests - before, 4)
})

azureTest('a suffix of a file that was replaced since the listing is NOT_FOUND', async (t, container) => {
  const client = await openReplicaClient(azureUrl(container))
  cleanUp(t, () => client.close())
  await client.write(file(1), testBytes(5000), { timestamp: 1 })
  const [listed] = await collect(client.list(0))
  const before = client.stats().HEAD.requests
  assert.equal((await client.read(listed!, { suffix: 100 })).offset, 4900)
  assert.equal(client.stats().HEAD.requests, before, 'the size is known from the listing')
  for (const size of [10, 5000, 9000]) {
    await client.write(file(1), testBytes(size, size), { timestamp: 1 })
    await assert.rejects(client.read(listed!, { suffix: 100 }), (error) => isLitestreamError(error, 'NOT_FOUND'))
  }
})

azureTest('a missing container is named, and is not taken for an empty replica', async (t) => {
  const client = await openReplicaClient(azureUrl('not-there-at-all'))
  cleanUp(t, () => client.close())
  const missing = (error: unknown) => {
    assert.ok(isLitestreamError(error, 'NOT_FOUND'))
    assert.match(error.hint, /^Create the container/)
    return true
  }
  await assert.rejects(collect(client.list(0)), missing)
  await assert.rejects(client.getObject('lock.json'), missing)
  await assert.rejects(client.write(file(1), testBytes(5), { timestamp: 1, createOnly: true }), missing)
  await assert.rejects(client.delete([file(1)]), missing)
  await assert.rejects(restore(client, { output: '/nowhere/x.db' }), missing)
})

test('the error for a port without a server names the endpoint and shows no key', async (t) => {
  const url = `abs://${AZURE_ACCOUNT}:${encodeURIComponent(AZURE_KEY)}@con/app.db?endpoint=http%3A%2F%2F127.0.0.1%3A1`
  const location = parseReplicaUrl(url) as AbsLocation
  const client = openAbsClient(location, {}, { policy: { attempts: 2 } })
  cleanUp(t, () => client.close())
  await assert.rejects(client.stat(file(1)), (error) => {
    assert.ok(isLitestreamError(error, 'UNAVAILABLE'))
    assert.match(
      error.message,
      /^checking abs:\/\/con\/app\.db\/ltx\/0\/.* failed: ECONNREFUSED \(endpoint http:\/\/127\.0\.0\.1:1\)$/,
    )
    assert.ok(!JSON.stringify([error.message, error.hint, String(error.cause)]).includes(AZURE_KEY))
    return true
  })
  assert.equal(client.stats().HEAD.retries, 1)
})
