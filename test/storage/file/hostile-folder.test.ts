import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import { formatFileName } from '../../../src/ltx/file-name.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const ref = (txid: number) => ({ level: 0, minTxid: txid, maxTxid: txid })
const name = (txid: number) => formatFileName(txid, txid)

async function replica(t: TestContext) {
  const root = temporaryDirectory(t)
  const client = await openReplicaClient(`file://${root}`)
  cleanUp(t, () => client.close())
  const level = path.join(root, 'ltx/0')
  mkdirSync(level, { recursive: true })
  return { root, client, level }
}

const refused = (error: unknown) =>
  isLitestreamError(error, 'STORAGE_FAILED') && /not a regular file/.test(error.message)

test('among thousands of foreign files, a listing has only the files whose names are LTX file names', async (t) => {
  const { root, client, level } = await replica(t)
  for (let i = 0; i < 5000; i++) writeFileSync(path.join(level, `${i}.ltx`), '')
  await client.write(ref(3), Buffer.from('three'), { timestamp: 3 })
  writeFileSync(path.join(root, 'elsewhere'), 'seven')
  mkdirSync(path.join(level, name(1)))
  execFileSync('mkfifo', [path.join(level, name(2))])
  symlinkSync(name(4), path.join(level, name(4)))
  symlinkSync('nothing', path.join(level, name(5)))
  const server = createServer().listen(path.join(level, name(6)))
  cleanUp(t, () => new Promise<void>((done) => server.close(() => done())))
  await once(server, 'listening')
  symlinkSync(path.join(root, 'elsewhere'), path.join(level, name(7)))
  const listed = await collect(client.list(0))
  assert.deepEqual(
    listed.map(({ minTxid, size }) => [minTxid, size]),
    [
      [3, 5],
      [7, 5],
    ],
  )
  for (const txid of [1, 2, 6]) {
    await assert.rejects(client.read(ref(txid), { offset: 0 }), refused, `reading ${txid}`)
    await assert.rejects(collect(client.stream(ref(txid))), refused, `streaming ${txid}`)
    await assert.rejects(client.stat(ref(txid)), refused, `stat of ${txid}`)
  }
})

test('a listing of a folder with many foreign names ends when its AbortSignal is aborted', async (t) => {
  const { client, level } = await replica(t)
  for (let i = 0; i < 3000; i++) writeFileSync(path.join(level, `${i}.ltx`), '')
  const controller = new AbortController()
  const listing = collect(client.list(0, { signal: controller.signal }))
  controller.abort()
  await assert.rejects(listing, { code: 'ABORTED' })
})

test("a FIFO in place of the lock file is refused, and a FIFO in place of a 0.3 generation's file is skipped", async (t) => {
  const { root, client } = await replica(t)
  execFileSync('mkfifo', [path.join(root, 'lock.json.0000000001')])
  await assert.rejects(client.getObject('lock.json'), refused)
  const snapshots = path.join(root, 'generations/0123456789abcdef/snapshots')
  mkdirSync(snapshots, { recursive: true })
  execFileSync('mkfifo', [path.join(snapshots, '00000000.snapshot.lz4')])
  assert.deepEqual(await collect(client.legacy!.list('generations/')), [])
  await assert.rejects(
    collect(client.legacy!.stream('generations/0123456789abcdef/snapshots/00000000.snapshot.lz4')),
    refused,
  )
})

test('loops of symbolic links and foreign directories among the generations of Litestream 0.3 are not followed', async (t) => {
  const { root, client } = await replica(t)
  const generations = path.join(root, 'generations')
  const snapshots = path.join(generations, '0123456789abcdef/snapshots')
  mkdirSync(snapshots, { recursive: true })
  writeFileSync(path.join(snapshots, '00000000.snapshot.lz4'), 'five.')
  for (const [target, link] of [
    ['.', 'loop'],
    ['..', 'up'],
    ['loop-too', 'loop-too'],
    ['fedcba9876543210', 'fedcba9876543210'],
  ] as const) {
    symlinkSync(target, path.join(generations, link))
  }
  for (const link of ['a', 'b']) symlinkSync('..', path.join(generations, '0123456789abcdef', link))
  symlinkSync('.', path.join(generations, '0123456789abcdef', 'wal'))
  mkdirSync(path.join(generations, 'foreign/0123456789abcdef/wal'), { recursive: true })
  writeFileSync(path.join(generations, '0000000000000000'), 'a file')
  const listed = await collect(client.legacy!.list('generations/'))
  assert.deepEqual(
    listed.map(({ name, size }) => [name, size]),
    [['generations/0123456789abcdef/snapshots/00000000.snapshot.lz4', 5]],
  )
})

test('a directory with the name of an abandoned temporary file is kept', async (t) => {
  const { client, level } = await replica(t)
  const directory = path.join(level, `${name(1)}.00112233aabbccdd.tmp`)
  mkdirSync(directory)
  await client.write(ref(1), Buffer.from('one'), { timestamp: 1 })
  assert.ok(existsSync(directory))
})
