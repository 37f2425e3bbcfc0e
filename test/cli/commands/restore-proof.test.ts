import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { Daemon } from '../../../src/cli/daemon/daemon.js'
import { DaemonMetrics } from '../../../src/cli/daemon/daemon-metrics.js'
import { proveRestore } from '../../../src/cli/daemon/restore-proof.js'
import { RestoreProofs } from '../../../src/cli/daemon/restore-proofs.js'
import { configFromText } from '../../../src/config/load.js'
import { isLitestreamError } from '../../../src/errors.js'
import { listLevels } from '../../../src/levels/plan.js'
import type { DatabaseImage } from '../../../src/primary/sync/database-image.js'
import { isHealthy } from '../../../src/status/verdict.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import type { LtxFileInfo } from '../../../src/storage/replica-client.js'
import { silentLogger } from '../../../src/util/logger.js'
import { cleanUp } from '../../support/clean-up.js'
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
  test(`${name}: a scheduled restore verifies the replica, and the next scheduled restore detects damage in the replica`, async (t) => {
    const { dir, daemon, database, txid, metrics } = await startDaemon(t, await urlOf(t))
    const scratch = path.join(dir, 'scratch')
    const proofs = new RestoreProofs(daemon, { interval: 100, directory: scratch })
    t.after(() => proofs.close())
    const proof = await until('it is proved', () => database.summary().proof)
    assert.deepEqual([proof.txid, proof.compared], [txid, true])
    const results = async (result: string) => {
      const found = new RegExp(
        `litestream_validation_total\\{db=".*app\\.db",level="restore",result="${result}"\\} (\\d+)`,
      )
      return Number(found.exec(await metrics.text(daemon))?.[1] ?? 0)
    }
    assert.ok((await results('ok')) > 0)

    // Every file, also those that the primary writes meanwhile: no other way leads to the state.
    const client = await openReplicaClient(database.config.replica.url.reveal())
    cleanUp(t, () => client.close())
    const sound = new Map<LtxFileInfo, Uint8Array>()
    const damageAll = async () => {
      const known = new Set([...sound.keys()].map((file) => `${file.level} ${file.maxTxid}`))
      for (const file of (await listLevels(client)).flat()) {
        if (known.has(`${file.level} ${file.maxTxid}`)) continue
        const { data } = await client.read(file, { offset: 0 })
        sound.set(file, Uint8Array.from(data))
        const damaged = Uint8Array.from(data)
        damaged[data.length >>> 1]! ^= 1
        await client.write(plainRef(file), damaged, { timestamp: file.createdAt })
      }
    }
    await until('it is found', async () => {
      await damageAll()
      return (await results('error')) > 0
    })
    const { error } = database.summary()
    assert.deepEqual([error?.operation, error?.code], ['proof', 'LTX_CORRUPT'])
    assert.ok(!isHealthy(daemon.health(null)))
    for (const [file, data] of sound) await client.write(plainRef(file), data, { timestamp: file.createdAt })
    const failedAt = database.summary().proof!.at
    await until('it is over', () => database.summary().proof!.at > failedAt && database.summary().error === undefined)
    await proofs.close()
    assert.deepEqual(readdirSync(scratch), [])
  })
}

const plainRef = ({ level, minTxid, maxTxid }: LtxFileInfo) => ({ level, minTxid, maxTxid })

test('while the primary commits, a scheduled restore compares every page with the primary’s database', async (t) => {
  const { dir, db, database } = await startDaemon(t, (folder) => `file://${folder}/replica`)
  const { signal } = new AbortController()
  const prove = (image: DatabaseImage) =>
    proveRestore(database.config, { directory: path.join(dir, 'scratch'), signal, size: 0, replicaTxid: 1, image })
  // In the file only, in the WAL only, and in both.
  for (const change of ['PRAGMA wal_checkpoint(TRUNCATE)', 'INSERT INTO t VALUES (randomblob(9000))', 'VACUUM']) {
    db.exec(change)
    const image = (await database.image(2 ** 30))!
    db.exec('INSERT INTO t VALUES (1)')
    await database.sync({ wait: true, timeout: 10_000 })
    assert.deepEqual([(await prove(image)).compared, (await prove(image)).txid], [true, image.txid], change)
    const forged = { ...image, sums: image.sums.map((sum, i) => (i === 2 ? sum + 1n : sum)) }
    await assert.rejects(
      prove(forged),
      (error) => isLitestreamError(error, 'INTEGRITY_CHECK_FAILED') && error.message.includes('page 3 of '),
    )
    await assert.rejects(prove({ ...image, commit: image.commit + 1 }), /pages/)
  }
  assert.equal(await database.image(1000), undefined)
  assert.equal(
    await prove({ ...(await database.image(2 ** 30))!, txid: 2 ** 40 }).catch((error) => error.code),
    'LTX_GAP',
  )
})

test('a scheduled restore fails if the disk is full or the replica’s TXID is too old, and never deletes a user’s file', async (t) => {
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
