import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { Daemon } from '../../../src/cli/daemon/daemon.js'
import { DaemonMetrics } from '../../../src/cli/daemon/daemon-metrics.js'
import { proveRestore } from '../../../src/cli/daemon/restore-proof.js'
import { RestoreProofs } from '../../../src/cli/daemon/restore-proofs.js'
import { configFromText } from '../../../src/config/load.js'
import { isLitestreamError } from '../../../src/errors.js'
import { isHealthy } from '../../../src/status/verdict.js'
import { silentLogger } from '../../../src/util/logger.js'
import { natsUrl } from '../../support/nats.js'
import { s3Bucket, s3Server } from '../../support/s3.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'

async function startDaemon(t: TestContext, url: (dir: string) => string) {
  const dir = temporaryDirectory(t)
  const db = new Database(path.join(dir, 'app.db'))
  t.after(() => db.close())
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(20000))')
  const config = configFromText(
    `{ levels: [], validation: { restore-interval: 1s, restore-dir: ${dir}/scratch }, dbs: [{ path: ${dir}/app.db, monitor-interval: 20ms, replica: { url: "${url(dir)}", sync-interval: 20ms } }] }`,
    'litestream.yml',
  )
  const metrics = new DaemonMetrics()
  const daemon = new Daemon(config, silentLogger, metrics)
  t.after(() => daemon.close())
  await daemon.open()
  const database = daemon.databases[0]!
  const { txid } = await database.sync({ wait: true, timeout: 10_000 })
  return { dir, db, daemon, database, txid, metrics }
}

const stores: Readonly<Record<string, (t: TestContext) => Promise<(dir: string) => string>>> = {
  file: async () => (dir) => `file://${dir}/replica`,
  s3: async (t) => {
    const { endpoint, accessKeyId, secretAccessKey } = s3Server()
    const bucket = await s3Bucket(t)
    return () =>
      `s3://${accessKeyId}:${secretAccessKey}@${bucket}/app.db?endpoint=${encodeURIComponent(endpoint)}&region=us-east-1&forcePathStyle=true`
  },
  nats: async () => {
    const url = natsUrl()
    return () => url
  },
}

for (const [name, urlOf] of Object.entries(stores)) {
  test(`${name}: a scheduled restore proves the replica and leaves no file`, async (t) => {
    const { dir, daemon, database, txid, metrics } = await startDaemon(t, await urlOf(t))
    const proofs = new RestoreProofs(daemon, { interval: 100, directory: path.join(dir, 'scratch') })
    t.after(() => proofs.close())
    const proof = await until('it is proved', () => database.summary().proof)
    assert.equal(proof.txid, txid)
    await proofs.close()
    assert.deepEqual(readdirSync(path.join(dir, 'scratch')), [])
    assert.match(
      await metrics.text(daemon),
      /litestream_validation_total\{db=".*app\.db",level="restore",result="ok"\} \d/,
    )
  })
}

test('a damaged replica is found within an interval, alarms, and the next proof succeeds', async (t) => {
  const { dir, daemon, database, metrics } = await startDaemon(t, (folder) => `file://${folder}/replica`)
  // Every file, also those that the primary writes in the meantime: no other way leads to the state.
  const sound = new Map<string, Buffer>()
  const damageAll = () => {
    for (const name of readdirSync(path.join(dir, 'replica'), { recursive: true, encoding: 'utf8' })) {
      const file = path.join(dir, 'replica', name)
      if (!file.endsWith('.ltx') || sound.has(file)) continue
      const bytes = readFileSync(file)
      sound.set(file, bytes)
      const damaged = Buffer.from(bytes)
      damaged[bytes.length >>> 1]! ^= 1
      writeFileSync(file, damaged)
    }
  }
  const proofs = new RestoreProofs(daemon, { interval: 100, directory: undefined })
  t.after(() => proofs.close())
  const result = /litestream_validation_total\{db=".*app\.db",level="restore",result="error"\} [1-9]/
  await until('it is found', async () => {
    damageAll()
    return result.test(await metrics.text(daemon))
  })
  assert.equal(database.summary().error?.code, 'LTX_CORRUPT')
  assert.ok(!isHealthy(daemon.health(null)))
  assert.equal(database.summary().proof, undefined)
  for (const [file, bytes] of sound) writeFileSync(file, bytes)
  await until('it is over', () => database.summary().proof)
  await proofs.close()
  assert.ok(!existsSync(path.join(dir, '.app.db-litestream/proof')))
})

test('a scheduled restore refuses a full disk, an older state, and keeps files that are not its own', async (t) => {
  const { dir, database } = await startDaemon(t, (folder) => `file://${folder}/replica`)
  const { signal } = new AbortController()
  const directory = path.join(dir, 'scratch')
  const prove = (options: { readonly size: number; readonly replicaTxid: number }) =>
    proveRestore(database.config, { directory, signal, ...options })
  await assert.rejects(prove({ size: 2 ** 60, replicaTxid: 1 }), (error) => isLitestreamError(error, 'DISK_FULL'))
  await assert.rejects(prove({ size: 0, replicaTxid: 1000 }), (error) => isLitestreamError(error, 'LTX_GAP'))
  await prove({ size: 0, replicaTxid: 1 })
  assert.deepEqual(readdirSync(directory), [])
  // A crash left a scratch file; the user has put something beside it.
  const folder = path.join(dir, '.app.db-litestream/proof')
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'proof.db'), 'left')
  writeFileSync(path.join(folder, 'notes.txt'), 'mine')
  await proveRestore(database.config, { signal, size: 0, replicaTxid: 1 })
  assert.deepEqual(readdirSync(folder), ['notes.txt'])
})
