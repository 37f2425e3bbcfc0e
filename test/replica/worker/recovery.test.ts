import assert from 'node:assert/strict'
import { chmodSync, cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Worker } from 'node:worker_threads'
import type { Replica } from '../../../src/replica/handle/open-replica.js'
import { runScript } from '../../support/child.js'
import { isReaderThread } from '../../support/reader-thread.js'
import { connect, makeSource, openTestReplica, type Source, value } from '../../support/replica.js'
import { until } from '../../support/until.js'

// Ways to make a replica unavailable for a while. The reader keeps its state and reports the
// reason; afterwards it continues automatically.

/** Every replica worker of this process, the newest last. */
const workers: Worker[] = []
process.on('worker', (worker) => {
  if (!isReaderThread(worker)) workers.push(worker)
})

interface Watched {
  readonly source: Source
  readonly replica: Replica
  readonly errors: string[]
  /** The rows that a query of a new transaction sees. */
  count(): unknown
}

async function watched(t: TestContext): Promise<Watched> {
  const source = await makeSource(t)
  await source.history.commit('CREATE TABLE t (n); INSERT INTO t VALUES (1)')
  const replica = await openTestReplica(t, source.url)
  const errors: string[] = []
  replica.on('error', ({ code }) => errors.push(code))
  const db = connect(t, replica.uri)
  assert.equal(value(db, 'SELECT count(*) FROM t'), 1)
  return { source, replica, errors, count: () => value(db, 'SELECT count(*) FROM t') }
}

/** One commit later than the reader has, it must see it. */
async function goesOn({ source, replica, count }: Watched): Promise<void> {
  const { txid } = replica
  await source.history.commit('INSERT INTO t VALUES (2)')
  await until('the reader advances', () => replica.txid > txid)
  assert.equal(count(), source.history.txid)
  assert.ok(replica.lagMs < 30_000)
}

for (const [what, below] of [
  ['the whole replica', '.'],
  ['its folder of levels', 'ltx'],
  ['level 0', 'ltx/0'],
] as const) {
  test(`a reader continues after a file temporarily took the place of a folder: ${what}`, async (t) => {
    const reader = await watched(t)
    const { source, errors, count } = reader
    const folder = path.join(source.files, below)
    renameSync(folder, `${source.files}-away`)
    writeFileSync(folder, 'x')
    await until('the reader reports it', () => errors.length > 1)
    assert.equal(count(), 1)
    rmSync(folder)
    renameSync(`${source.files}-away`, folder)
    await goesOn(reader)
  })

  test(`a reader continues after a folder was removed and copied back: ${what}`, async (t) => {
    const reader = await watched(t)
    const { source, replica, count } = reader
    const gaps: string[] = []
    replica.on('gap', ({ message }) => gaps.push(message))
    const folder = path.join(source.files, below)
    cpSync(folder, `${source.files}-away`, { recursive: true, preserveTimestamps: true })
    rmSync(folder, { recursive: true })
    await until('the reader reports it', () => gaps.length > 1)
    assert.equal(count(), 1)
    renameSync(`${source.files}-away`, folder)
    await goesOn(reader)
  })
}

test('a reader continues if its folder is moved away and a new folder is created under the old path', async (t) => {
  const reader = await watched(t)
  const { source } = reader
  renameSync(source.files, `${source.files}-old`)
  mkdirSync(source.files)
  cpSync(`${source.files}-old`, source.files, { recursive: true, preserveTimestamps: true })
  await goesOn(reader)
  // Its watch stands in the new folder, too: a poll would come only after five seconds.
  await goesOn(reader)
})

test('a reader continues after its read permission is revoked and restored', async (t) => {
  const { files, url, history } = await makeSource(t)
  await history.commit('CREATE TABLE t (n)')
  // Permissions do not bind root: the reader is another user.
  const script = `
    const { openReplica } = await import(src + '/index.js')
    if (process.getuid() === 0) process.seteuid(65534)
    const replica = await openReplica(process.env.URL, { pollInterval: 50 })
    replica.on('advance', ({ txid }) => console.log('txid ' + txid))
    replica.on('error', ({ code }) => console.log(code))
    process.stdin.resume()
    console.log('open')`
  chmodSync(path.dirname(files), 0o755)
  const child = runScript(t, script, { URL: url })
  const wrote = (text: string) => until(`the reader writes ${text}`, () => child.output().includes(text))
  await wrote('open')
  let txid = 1
  for (const folder of [files, path.join(files, 'ltx'), path.join(files, 'ltx/0')]) {
    chmodSync(folder, 0)
    const before = child.output().length
    await until('it reports that twice', () => child.output().slice(before).split('ACCESS_DENIED').length > 2)
    chmodSync(folder, 0o755)
    await history.commit('INSERT INTO t VALUES (1)')
    await wrote(`txid ${++txid}\n`)
  }
  child.process.stdin!.end()
})

test('if a worker exits while the replica is unavailable, the next worker takes over as soon as the replica is available', async (t) => {
  const reader = await watched(t)
  const { source, replica, errors, count } = reader
  renameSync(source.files, `${source.files}-away`)
  writeFileSync(source.files, 'x')
  await workers.at(-1)!.terminate()
  await until('the next worker has tried twice', () => errors.filter((code) => code === 'STORAGE_FAILED').length > 1)
  assert.ok(errors.includes('WORKER_EXITED'))
  assert.equal(count(), 1)
  const { lagMs } = replica
  rmSync(source.files)
  renameSync(`${source.files}-away`, source.files)
  await goesOn(reader)
  assert.ok(lagMs > 0)
})
