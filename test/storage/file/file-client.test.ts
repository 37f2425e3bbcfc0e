import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { isLitestreamError } from '../../../src/errors.js'
import { formatFileName } from '../../../src/ltx/file-name.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { collect } from '../../support/collect.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'

const FILE = { level: 0, minTxid: 1, maxTxid: 1 }
const body = new TextEncoder().encode('0123456789')

test("a file of a folder replica has Litestream's file path, and its modification time is the LTX timestamp", async (t) => {
  const root = path.join(temporaryDirectory(t), 'a b', '%20ü')
  const client = await openReplicaClient(`file://${root}`)
  await client.write(FILE, body, { timestamp: 1_700_000_000_123 })
  const name = path.join(root, 'ltx/0/0000000000000001-0000000000000001.ltx')
  assert.equal(Math.round(statSync(name).mtimeMs), 1_700_000_000_123)
  assert.deepEqual(readdirSync(path.dirname(name)), [path.basename(name)])
  assert.equal(client.url, `file://${root}`)
})

test('the modification time of a file is exactly its timestamp in nanoseconds, for any millisecond', async (t) => {
  const root = temporaryDirectory(t)
  const client = await openReplicaClient(pathToFileURL(root).href)
  for (let ms = 0; ms < 60; ms++) {
    const timestamp = 1_796_069_780_000 + ms * 17
    await client.write({ level: 0, minTxid: 1, maxTxid: 1 }, body, { timestamp })
    const name = path.join(root, 'ltx/0', formatFileName(1, 1))
    assert.equal(statSync(name, { bigint: true }).mtimeNs, BigInt(timestamp) * 1_000_000n)
  }
})

test('if a file URL names a replica only when its percent signs are read differently, the error names this replica, and no second replica is created', async (t) => {
  const directory = temporaryDirectory(t)
  const [decoded, written] = [path.join(directory, 'a b'), path.join(directory, 'a%20b')]
  mkdirSync(path.join(decoded, 'ltx'), { recursive: true })
  await assert.rejects(openReplicaClient(`file://${written}`), {
    code: 'INVALID_URL',
    message: new RegExp(`a%20b, which does not exist; a replica is in ${decoded}$`),
  })
  await (await openReplicaClient(`file://${decoded}`)).close()
  // Two replicas are two replicas.
  mkdirSync(written)
  await (await openReplicaClient(`file://${written}`)).close()
  // What Litestream makes of a URL with a space.
  mkdirSync(path.join(directory, 'c%20d', 'ltx'), { recursive: true })
  await assert.rejects(openReplicaClient(`file://${directory}/c d`), { code: 'INVALID_URL', message: /c%20d$/ })
})

test('new files get the permissions of the database file, and new folders get the permissions of the database’s folder', async (t) => {
  const directory = temporaryDirectory(t)
  const database = path.join(directory, 'home', 'app.db')
  mkdirSync(path.dirname(database))
  writeFileSync(database, '')
  chmodSync(database, 0o640)
  chmodSync(path.dirname(database), 0o750)
  const root = path.join(directory, 'replica')
  const client = await openReplicaClient(`file://${root}`, { file: { ownerLike: database } })
  await client.write(FILE, body, { timestamp: 1 })
  assert.equal(statSync(path.join(root, 'ltx/0/0000000000000001-0000000000000001.ltx')).mode & 0o777, 0o640)
  assert.equal(statSync(path.join(root, 'ltx')).mode & 0o777, 0o750)
})

test('a writer that is killed leaves no visible file, and the next writer removes the temporary files of the killed writer', async (t) => {
  const root = temporaryDirectory(t)
  const client = await openReplicaClient(`file://${root}`)
  async function* failing() {
    yield body
    throw new Error('the source broke')
  }
  await assert.rejects(client.write(FILE, failing(), { timestamp: 1 }), /the source broke/)
  const directory = path.join(root, 'ltx/0')
  assert.deepEqual(readdirSync(directory), [])

  const abandoned = path.join(directory, '0000000000000001-0000000000000001.ltx.00112233aabbccdd.tmp')
  writeFileSync(abandoned, 'x')
  utimesSync(abandoned, 1, 1)
  assert.deepEqual(await collect(client.list(0)), [])
  const next = await openReplicaClient(`file://${root}`)
  await next.write(FILE, body, { timestamp: 1 })
  assert.ok(!existsSync(abandoned))
})

test('a file in place of a replica directory and an unreadable directory are errors, and neither counts as an empty replica', async (t) => {
  const root = temporaryDirectory(t)
  writeFileSync(path.join(root, 'file'), '')
  await assert.rejects(openReplicaClient(`file://${root}/file`), (error) => isLitestreamError(error, 'STORAGE_FAILED'))
  await assert.rejects(openReplicaClient(`file://${root}/file/below`), (error) =>
    isLitestreamError(error, 'STORAGE_FAILED'),
  )
  const client = await openReplicaClient(`file://${root}`)
  writeFileSync(path.join(root, 'ltx'), '')
  await assert.rejects(collect(client.list(0)), (error) => isLitestreamError(error, 'STORAGE_FAILED'))
})

test('a watch of a folder reports new files, even if the folder does not exist when the watch begins', async (t) => {
  const root = path.join(temporaryDirectory(t), 'replica')
  const client = await openReplicaClient(`file://${root}`)
  let changes = 0
  await client.watch!(() => changes++)
  for (let txid = 1; txid <= 3; txid++) {
    const before = changes
    await client.write({ level: 0, minTxid: txid, maxTxid: txid }, body, { timestamp: 1 })
    await until('the watch tells', () => changes > before)
  }
  await client.close()
})

test('to upload an unchanged local file, the client creates a link instead of reading the file, and for any other file copies the bytes', async (t) => {
  const directory = temporaryDirectory(t)
  const root = path.join(directory, 'replica')
  const local = path.join(directory, 'staged')
  const client = await openReplicaClient(`file://${root}`)
  const timestamp = 1_700_000_000_123
  let read = 0
  async function* bytes() {
    read++
    yield body
  }
  const write = async (txid: number, options: { timestamp: number; createOnly?: boolean }) => {
    read = 0
    await client.write({ level: 0, minTxid: txid, maxTxid: txid }, bytes(), { localFile: local, ...options })
    const name = path.join(root, 'ltx/0', formatFileName(txid, txid))
    assert.deepEqual(readFileSync(name), Buffer.from(body))
    assert.equal(Math.round(statSync(name).mtimeMs), options.timestamp)
    return statSync(name).ino === statSync(local).ino ? 'linked' : `read ${read}`
  }
  writeFileSync(local, body)
  utimesSync(local, timestamp / 1000, timestamp / 1000)
  assert.equal(await write(1, { timestamp, createOnly: true }), 'linked')
  assert.equal(read, 0)
  assert.equal(client.stats().PUT.bytes, body.length)
  await assert.rejects(write(1, { timestamp, createOnly: true }), { code: 'PRECONDITION_FAILED' })
  assert.equal(await write(2, { timestamp: timestamp + 1, createOnly: true }), 'read 1')
  assert.equal(await write(3, { timestamp }), 'read 1', 'what may be overwritten is nobody else’s')
  rmSync(local)
  writeFileSync(local, body, { mode: 0o600 })
  utimesSync(local, timestamp / 1000, timestamp / 1000)
  assert.equal(await write(4, { timestamp, createOnly: true }), 'read 1')
  // Deleted there, it is still here.
  await client.delete([{ level: 0, minTxid: 1, maxTxid: 1 }])
  assert.deepEqual(readFileSync(local), Buffer.from(body))
})

test('while a long file is written, its data is flushed to the disk, and the file is complete afterwards', async (t) => {
  const root = temporaryDirectory(t)
  const client = await openReplicaClient(`file://${root}`)
  const chunk = new Uint8Array(1024 * 1024)
  async function* chunks() {
    // Always the same buffer: a chunk is written before the next one is asked for.
    for (let i = 0; i < 20; i++) yield chunk.fill(i)
  }
  const { size } = await client.write(FILE, chunks(), { timestamp: 1 })
  assert.equal(size, 20 * chunk.length)
  const { data } = await client.read(FILE, { offset: 0 })
  for (let i = 0; i < 20; i++) assert.equal(data[i * chunk.length + 17], i)
})

test('exactly one of several concurrent changes of one object succeeds', async (t) => {
  const root = temporaryDirectory(t)
  const clients = await Promise.all(Array.from({ length: 4 }, () => openReplicaClient(`file://${root}`)))
  const data = (text: string) => new TextEncoder().encode(text)
  let tag: string | null = null
  for (let round = 0; round < 20; round++) {
    const puts = await Promise.allSettled(clients.map((c, i) => c.putObject('lock.json', data(`${round} ${i}`), tag)))
    const winner = puts.findIndex((put) => put.status === 'fulfilled')
    assert.equal(puts.filter((put) => put.status === 'fulfilled').length, 1)
    for (const put of puts) {
      if (put.status === 'rejected') assert.ok(isLitestreamError(put.reason, 'PRECONDITION_FAILED'), String(put.reason))
    }
    const object = await clients[0]!.getObject('lock.json')
    assert.equal(new TextDecoder().decode(object?.data), `${round} ${winner}`)
    tag = object!.tag
  }
  await clients[0]!.deleteObject('lock.json', tag!)
  assert.equal(await clients[1]!.getObject('lock.json'), undefined)
  await assert.rejects(clients[1]!.putObject('lock.json', body, tag), (error) =>
    isLitestreamError(error, 'PRECONDITION_FAILED'),
  )
  await clients[1]!.putObject('lock.json', body, null)
})

test('if the user may not read a folder replica, the error is ACCESS_DENIED', async (t) => {
  const root = path.join(temporaryDirectory(t), 'private')
  mkdirSync(root, { mode: 0o000 })
  const asRoot = process.geteuid!() === 0
  if (asRoot) process.seteuid!(65534)
  try {
    await assert.rejects(
      openReplicaClient(`file://${root}`),
      (error) => isLitestreamError(error, 'ACCESS_DENIED') && error.message.includes(root) && error.hint !== undefined,
    )
  } finally {
    if (asRoot) process.seteuid!(0)
  }
})
