import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { openReplica, openReplicaClient, replicate, replicateOnce, restore, verifyReplica } from '../../src/index.js'
import type { PrimaryEvents } from '../../src/primary/events.js'
import { Replication } from '../../src/primary/replication.js'
import { startSilentStore } from '../support/silent-store.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

// Bounds here are guards against a hang, an order of magnitude above what is expected and below
// what these calls took without a deadline (two minutes).
const GUARD = { timeout: 45_000 }

function fixture(t: TestContext) {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const db = new Database(file)
  t.after(() => db.close())
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (v)')
  return { dir, file, db, url: `file://${dir}/replica` }
}

test('if the store never responds, close() of a primary ends with TIMEOUT', GUARD, async (t) => {
  const { file } = fixture(t)
  const { url, storage, requests } = await startSilentStore(t)
  const replication = await replicate(file, url, { storage, shutdownSyncTimeout: 100, monitorInterval: 20 })
  await until('a request is in flight', () => requests() > 0)
  await assert.rejects(replication.close(), {
    code: 'TIMEOUT',
    message: /the last sync did not reach s3:/,
    hint: /store/,
  })
})

test('an AbortSignal or a deadline ends the close() of a primary early', GUARD, async (t) => {
  const { file } = fixture(t)
  const { url, storage, requests } = await startSilentStore(t)
  const open = async () => {
    const before = requests()
    const replication = await replicate(file, url, { storage, shutdownSyncTimeout: 3_600_000, monitorInterval: 20 })
    await until('a request is in flight', () => requests() > before)
    return replication
  }
  await assert.rejects((await open()).close({ timeout: 50 }), {
    code: 'TIMEOUT',
    message: /app\.db: not finished within 50 ms/,
  })
  const reason = new Error('enough')
  await assert.rejects((await open()).close({ signal: AbortSignal.abort(reason) }), reason)
})

test('an AbortSignal or a deadline ends sync(), and the handle stays usable', GUARD, async (t) => {
  const { file } = fixture(t)
  const { url, storage } = await startSilentStore(t)
  const replication = await replicate(file, url, { storage, shutdownSyncTimeout: 0 })
  await assert.rejects(replication.sync({ wait: true, timeout: 50 }), { code: 'TIMEOUT' })
  const abort = new AbortController()
  const waiting = replication.sync({ wait: true, signal: abort.signal })
  abort.abort(new Error('enough'))
  await assert.rejects(waiting, /enough/)
  for (const timeout of [0, -1, Number.NaN, '5 parsecs'])
    await assert.rejects(replication.sync({ timeout }), { code: 'INVALID_ARGUMENT', message: /timeout must be/ })
  assert.equal((await replication.status()).db, file)
  await assert.rejects(replication.close())
})

test('every operation on a store ends at its deadline and when its AbortSignal is aborted', GUARD, async (t) => {
  const { dir, file } = fixture(t)
  const { url, storage } = await startSilentStore(t)
  const client = await openReplicaClient(url, storage)
  const output = path.join(dir, 'restored.db')
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key' })
  const operations = {
    restore: (waiting: object) => restore(client, { output, ...waiting }),
    verifyReplica: (waiting: object) => verifyReplica(client, waiting),
    replicateOnce: (waiting: object) => replicateOnce(file, url, { storage, ...waiting }),
    openReplica: (waiting: object) => openReplica(url, { openTimeout: '1h', ...waiting }),
  }
  for (const [name, run] of Object.entries(operations)) {
    await assert.rejects(run({ timeout: 100 }), { code: 'TIMEOUT', message: /not finished within 100 ms/ }, name)
    const abort = new AbortController()
    const waiting = run({ signal: abort.signal })
    abort.abort(new Error('enough'))
    await assert.rejects(waiting, (error: Error & { cause?: Error }) => {
      assert.match(`${error.message} ${error.cause?.message}`, /enough/, name)
      return true
    })
  }
  await client.close()
})

test('an option value outside its range is refused, and the error names the option', async (t) => {
  const { file, url } = fixture(t)
  const wrong = [
    { monitorInterval: 0 },
    { busyTimeout: 2 ** 31 },
    { busyTimeout: 0.5 },
    { leaseTtl: Number.NaN },
    { shutdownSyncTimeout: Number.POSITIVE_INFINITY },
    { syncInterval: '1 parsec' },
    { maxSyncWalBytes: '1 parsec' },
    { compaction: { l0Retention: 'soon' } },
  ]
  for (const options of wrong) {
    const [name] = Object.keys(options)
    for (const run of [replicate, replicateOnce])
      await assert.rejects(run(file, url, options), {
        code: 'INVALID_ARGUMENT',
        message: new RegExp(`${name}.*must be|l0Retention must be`),
      })
  }
})

test(
  'if a worker thread of a primary ends, the primary reports the fault, starts another worker and continues to replicate',
  GUARD,
  async (t) => {
    const { dir, file, db, url } = fixture(t)
    const dying = path.join(dir, 'ends')
    // The real worker, which also ends when the file appears.
    const script = path.join(dir, 'worker.mjs')
    const worker = new URL('../../src/primary/worker.js', import.meta.url)
    writeFileSync(
      script,
      `import { existsSync, rmdirSync } from 'node:fs'
     setInterval(() => {
       if (!existsSync(${JSON.stringify(dying)})) return
       rmdirSync(${JSON.stringify(dying)})
       process.exit(3)
     }, 5)
     await import(${JSON.stringify(worker.href)})`,
    )
    const data = { path: file, url, storage: undefined, options: { monitorInterval: 20, syncInterval: 20 } }
    const replication = new Replication(data, pathToFileURL(script))
    const errors: PrimaryEvents['error'][] = []
    const recovered: string[] = []
    replication.on('error', (event) => errors.push(event))
    replication.on('recover', ({ operation }) => recovered.push(operation))
    await replication.ready
    await replication.sync({ wait: true })
    for (let round = 1; round <= 2; round++) {
      db.exec('INSERT INTO t VALUES (1)')
      mkdirSync(dying)
      await until('it is restarted', () => recovered.length === round)
      const { txid, replicaTxid } = await replication.sync({ wait: true })
      assert.deepEqual([txid, replicaTxid], [round + 1, round + 1])
    }
    assert.deepEqual(
      errors.map(({ operation, error }) => [operation, error.code]),
      [
        ['worker', 'WORKER_EXITED'],
        ['worker', 'WORKER_EXITED'],
      ],
    )
    await replication.close()
  },
)
