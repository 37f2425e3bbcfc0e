import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { isLitestreamError } from '../../src/errors.js'
import { CachedReplicaClient } from '../../src/storage/disk-cache/cached-client.js'
import { openReplicaClient } from '../../src/storage/open.js'
import type { LtxFileInfo } from '../../src/storage/replica-client.js'
import { capturedClient, plainReply } from '../support/captured-s3.js'
import { collect } from '../support/collect.js'
import { natsUrl } from '../support/nats.js'
import { s3Bucket, s3Url } from '../support/s3.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

// A replica that starts again has files with the same names, and sometimes with the same size.
const FILE = { level: 0, minTxid: 1, maxTxid: 1 }
const SIZE = 10_000

const STORES: Record<string, (t: TestContext) => Promise<string>> = {
  file: async (t) => pathToFileURL(path.join(temporaryDirectory(t), 'replica')).href,
  s3: async (t) => s3Url(await s3Bucket(t)),
  nats: async () => natsUrl(),
}

const SETTINGS = { endpoint: 'http://127.0.0.1:1', accessKeyId: 'a', secretAccessKey: 'b' }

const replaced = (error: unknown) => isLitestreamError(error, 'NOT_FOUND') && error.message.includes('was replaced')

for (const [store, url] of Object.entries(STORES)) {
  test(`${store}: if a new file of equal size replaces a listed file, the new file is not read as the listed file`, async (t) => {
    const client = await openReplicaClient(await url(t))
    const disk = await CachedReplicaClient.open(client, { directory: temporaryDirectory(t), limit: 1e6 })
    t.after(() => disk.close())
    await client.write(FILE, randomBytes(SIZE), { timestamp: 1_700_000_000_000 })
    const [listed] = await collect(client.list(0))
    assert.equal((await client.stat(FILE)).version, listed.version)
    assert.equal((await client.read(listed, { suffix: 10 })).fileSize, SIZE)
    const body = randomBytes(SIZE)
    await client.delete([FILE])
    await client.write(FILE, body, { timestamp: 1_700_000_000_001 })
    await assert.rejects(client.read(listed, { offset: 5, length: 10 }), replaced)
    await assert.rejects(collect(client.stream(listed)), replaced)
    await assert.rejects(disk.read(listed, { offset: 5, length: 10 }), replaced)
    const found = await client.stat(listed)
    assert.notEqual(found.version, listed.version)
    const [again] = await collect(client.list(0))
    assert.equal(again.version, found.version)
    assert.deepEqual(Buffer.from((await client.read(again, { offset: 0 })).data), body)
    assert.deepEqual(Buffer.concat(await collect(client.stream(again))), body)
    assert.deepEqual(Buffer.from((await client.read(FILE, { offset: 0 })).data), body, 'by its name alone')
  })
}

test("S3: if the ETags of a listing and of the objects differ even after a second listing, the client ignores the store's ETags", async () => {
  const listing = `<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>1</KeyCount><Contents>
    <Key>app.db/0000/0000000000000001-0000000000000001.ltx</Key><Size>4</Size><ETag>&quot;listed&quot;</ETag>
    <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>`
  const { client, sent } = await capturedClient('s3://bucket/app.db', SETTINGS, (request) => {
    if (request.method === 'GET' && 'list-type' in request.query) return { statusCode: 200, body: listing }
    const headers = { ...plainReply(request).headers, etag: '"own"', 'content-length': '4' }
    if (request.method !== 'GET') return { ...plainReply(request), headers }
    return { statusCode: 200, headers: { etag: 'W/"own"', 'content-length': '4' }, body: 'abcd' }
  })
  const [listed] = (await collect(client.list(0))) as [LtxFileInfo]
  assert.equal(listed.version, 'listed')
  const requests = async (act: () => Promise<unknown>) => {
    const before = sent.length
    await act()
    return sent.length - before
  }
  assert.equal(await requests(() => client.read(listed, { offset: 0 })), 2)
  assert.equal(await requests(() => client.read(listed, { offset: 0 })), 1)
  assert.equal(await requests(() => collect(client.stream(listed))), 1)
  assert.equal((await client.stat(listed)).version, 'listed', 'what is compared with listings must be like them')
})
