import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, readlink, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { openReplica } from '../../../src/replica/handle/open-replica.js'
import { CachedReplicaClient } from '../../../src/storage/disk-cache/cached-client.js'
import { BLOCK_SIZE } from '../../../src/storage/disk-cache/segment.js'
import { FileReplicaClient } from '../../../src/storage/file/file-client.js'
import { History } from '../../support/history.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'

async function setUp(t: TestContext, bytes: number) {
  const directory = temporaryDirectory(t)
  const replica = { path: path.join(directory, 'replica') }
  const store = await FileReplicaClient.open(replica)
  const body = randomBytes(bytes)
  const file = await store.write({ level: 0, minTxid: 1, maxTxid: 1 }, body, { timestamp: 1000 })
  const cache = path.join(directory, 'cache')
  const open = async (limit = 2 ** 30) =>
    CachedReplicaClient.open(await FileReplicaClient.open(replica), { directory: cache, limit })
  return { store, body, file, cache, open }
}

function gets(client: { stats(): { GET: { requests: number } } }): number {
  return client.stats().GET.requests
}

test('the disk cache does not request cached blocks again, neither in this run nor in the next run', async (t) => {
  const { body, file, open } = await setUp(t, 300_000)
  for (const run of [1, 2]) {
    const client = await open()
    for (const [offset, length] of [
      [0, 100],
      [70_000, 100_000],
      [299_990, 10],
      [100_000, 0],
    ]) {
      const before = gets(client)
      const { data, fileSize } = await client.read(file, { offset, length })
      assert.deepEqual(Buffer.from(data), body.subarray(offset, offset + length))
      assert.equal(fileSize, 300_000)
      if (run === 2) assert.equal(gets(client), before)
    }
    const suffix = await client.read(file, { suffix: 5000 })
    assert.deepEqual(Buffer.from(suffix.data), body.subarray(-5000))
    await client.close()
  }
})

test('the disk cache reads a missing range with one request, which is rounded to whole blocks', async (t) => {
  const { body, file, open } = await setUp(t, 20 * BLOCK_SIZE)
  const before = await open()
  await before.read(file, { offset: 0, length: 2 * BLOCK_SIZE })
  await before.read(file, { offset: 10 * BLOCK_SIZE, length: BLOCK_SIZE })
  await before.close() // what it writes behind is written then
  const client = await open()
  const { requests, bytes } = client.stats().GET
  const { data } = await client.read(file, { offset: 100, length: 15 * BLOCK_SIZE })
  assert.deepEqual(Buffer.from(data), body.subarray(100, 100 + 15 * BLOCK_SIZE))
  assert.deepEqual([client.stats().GET.requests - requests, client.stats().GET.bytes - bytes], [2, 13 * BLOCK_SIZE])
  await client.close()
})

test('the disk cache fetches a block again if the block is damaged, or if a read must bypass the cache', async (t) => {
  const { body, file, cache, open } = await setUp(t, 100_000)
  const first = await open()
  await first.read(file, { offset: 0 })
  await first.close()
  for (const name of await readdir(cache)) {
    if (name.endsWith('.sums')) continue
    const bytes = await readFile(path.join(cache, name))
    bytes[BLOCK_SIZE + 5] ^= 1
    await writeFile(path.join(cache, name), bytes)
  }
  const client = await open()
  const before = gets(client)
  assert.deepEqual(Buffer.from((await client.read(file, { offset: 0 })).data), body)
  assert.equal(gets(client) - before, 1)
  await client.read(file, { offset: 0 }, { fresh: true })
  assert.equal(gets(client) - before, 2)
  await client.close()
})

test('if a new file of the same name replaces a cached file, the disk cache does not use the cached file', async (t) => {
  const { store, file, open } = await setUp(t, 50_000)
  const client = await open()
  await client.read(file, { offset: 0 })
  const other = randomBytes(50_000)
  const again = await store.write(file, other, { timestamp: 2000 })
  assert.deepEqual(Buffer.from((await client.read(again, { offset: 0 })).data), other)
  await client.close()
})

test('the directory of the disk cache stays within the size limit of the cache', async (t) => {
  const { store, cache, open } = await setUp(t, 1000)
  const limit = 40 * 2 ** 20
  const client = await open(limit)
  for (let txid = 2; txid <= 7; txid++) {
    const body = randomBytes(16 * 2 ** 20)
    const file = await store.write({ level: 0, minTxid: txid, maxTxid: txid }, body, { timestamp: txid })
    await client.read(file, { offset: 0 })
  }
  await client.close()
  await (await open(limit)).close()
  let total = 0
  for (const name of await readdir(cache)) total += (await stat(path.join(cache, name))).blocks * 512
  assert.ok(total <= limit, `${total} bytes`)
})

test('a replica that is opened again with a disk cache reads its pages without a GET', async (t) => {
  const directory = temporaryDirectory(t)
  const replica = path.join(directory, 'replica')
  const history = new History(path.join(directory, 'app.db'), await FileReplicaClient.open({ path: replica }))
  await history.commit(
    `CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT);
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT i, hex(randomblob(100)) FROM n`,
  )
  const requests: number[] = []
  for (let run = 0; run < 2; run++) {
    await using opened = await openReplica(`file://${replica}`, { diskCache: path.join(directory, 'cache') })
    const db = new Database(opened.uri, { readonly: true })
    const sql = 'SELECT count(*), sum(id), max(x) FROM t'
    assert.deepEqual(db.prepare(sql).get(), history.db.prepare(sql).get())
    requests.push((await opened.workerStats()).storage.GET.requests)
    db.close()
  }
  assert.ok(requests[0] > 3)
  assert.equal(requests[1], 0)
  history.close()
})

test('the disk cache is accessible only to its owner, and does not follow a link in its directory', async (t) => {
  const { body, file, cache, open } = await setUp(t, 30_000)
  const client = await open()
  await client.read(file, { offset: 0 })
  await client.close()
  const names = await readdir(cache)
  assert.equal(names.length, 2)
  const modes = await Promise.all([cache, ...names.map((name) => path.join(cache, name))].map((each) => stat(each)))
  assert.deepEqual(
    modes.map(({ mode }) => mode & 0o777),
    [0o700, 0o600, 0o600],
  )
  const precious = path.join(path.dirname(cache), 'precious')
  await writeFile(precious, 'precious')
  for (const name of names) {
    await rm(path.join(cache, name))
    await symlink(precious, path.join(cache, name))
  }
  const again = await open()
  const { data } = await again.read(file, { offset: 0 })
  assert.deepEqual(Buffer.from(data), body)
  await again.close()
  assert.ok(again.counts.failures > 0)
  assert.equal(await readFile(precious, 'utf8'), 'precious')
})

for (const [what, change] of [
  ['removed', (cache: string) => rm(cache, { recursive: true })],
  ['moved away', (cache: string) => rename(cache, `${cache}.away`)],
  ['replaced by an empty folder', (cache: string) => rm(cache, { recursive: true }).then(() => mkdir(cache))],
  ['emptied', (cache: string) => eachFile(cache, (file) => rm(file))],
  ['truncated file by file', (cache: string) => eachFile(cache, (file) => truncate(file, 100))],
  ['overwritten in place', (cache: string) => eachFile(cache, (file) => writeFile(file, Buffer.alloc(90_000, 7)))],
] as const) {
  test(`a disk cache that is ${what} during use causes more requests, but never returns wrong bytes`, async (t) => {
    const { store, body, file, cache, open } = await setUp(t, 90_000)
    const other = randomBytes(90_000)
    const later = await store.write({ level: 0, minTxid: 2, maxTxid: 2 }, other, { timestamp: 2000 })
    const client = await open()
    await client.read(file, { offset: 0 })
    await until('the blocks are on disk', async () => (await readdir(cache)).length === 2)
    await change(cache)
    for (const [each, expected] of [
      [file, body],
      [later, other],
    ] as const) {
      for (let i = 0; i < 2; i++) assert.deepEqual(Buffer.from((await client.read(each, { offset: 0 })).data), expected)
    }
    await client.close()
    assert.equal(client.counts.failures, 0)
    const again = await open()
    assert.deepEqual(Buffer.from((await again.read(later, { offset: 0 })).data), other)
    assert.equal(gets(again), 0, 'what was read afterwards is cached again')
    await again.close()
  })
}

async function eachFile(directory: string, change: (file: string) => Promise<void>): Promise<void> {
  for (const name of await readdir(directory)) await change(path.join(directory, name))
}

test('the disk cache closes an evicted segment, so that the disk space of a long-running process also stays within the size limit', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const { store, cache, open } = await setUp(t, 1000)
  const limit = 20 * 2 ** 20
  const client = await open(limit)
  for (let txid = 2; txid <= 5; txid++) {
    const file = await store.write({ level: 0, minTxid: txid, maxTxid: txid }, randomBytes(17 * 2 ** 20), {
      timestamp: txid,
    })
    await client.read(file, { offset: 0 })
  }
  const held = async () => {
    const links = await Promise.all(
      (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
    )
    return links.filter((link) => link.startsWith(cache) && link.endsWith('(deleted)') && !link.includes('.sums'))
  }
  await until('all but the newest are closed', async () => (await held()).length === 0)
  await client.close()
})
