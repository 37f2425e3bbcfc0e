// Which files an uploader may upload, and when: each test stops a primary between two steps.
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { KnownLevels } from '../../../src/levels/known-levels.js'
import { identifyRemote } from '../../../src/levels/ltx-identity.js'
import { replicateOnce } from '../../../src/primary/replicate-once.js'
import { PrimaryDatabase } from '../../../src/primary/sync/primary-database.js'
import { Uploader } from '../../../src/primary/upload/uploader.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { assertReplicaEquals } from '../restored.js'

async function fixture(t: TestContext) {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const url = `file://${dir}/replica`
  const app = new Database(file)
  t.after(() => app.close())
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
  const client = new KnownLevels(await openReplicaClient(url))
  cleanUp(t, () => client.close())
  const open = async () => {
    const primary = await PrimaryDatabase.open(file)
    cleanUp(t, () => primary.close())
    const uploader = new Uploader(primary, client, () => {}, {
      leased: false,
      onDivergence: 'continue',
      keepDiverged: 0,
    })
    cleanUp(t, () => uploader.close())
    return { primary, uploader }
  }
  const level0 = async () => (await collect(client.list(0))).map(({ maxTxid }) => maxTxid)
  return { file, url, app, client, open, level0, write: () => app.exec('INSERT INTO t (v) VALUES (randomblob(500))') }
}

/** A replica that has reached TXID 3 with another database. */
async function writtenBefore(t: TestContext, url: string): Promise<void> {
  const file = path.join(temporaryDirectory(t), 'other.db')
  const other = new Database(file)
  other.pragma('journal_mode = wal')
  other.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
  for (let i = 0; i < 3; i++) {
    other.exec('INSERT INTO t (v) VALUES (randomblob(100))')
    await replicateOnce(file, url)
  }
  other.close()
}

test('the uploader uploads a staged file only after the state file has recorded the file’s sync', async (t) => {
  const { file, url, open, level0 } = await fixture(t)
  const { primary, uploader } = await open()
  const state = path.join(primary.meta, 'primary-state')
  mkdirSync(state)
  await assert.rejects(primary.sync(), /primary-state/)
  assert.equal(primary.txid, 0)
  await uploader.run()
  assert.deepEqual(await level0(), [])
  rmdirSync(state)
  assert.equal(await primary.sync(), 1)
  await uploader.run()
  assert.deepEqual(await level0(), [1])
  assert.equal(await assertReplicaEquals(url, file), 1)
})

test('if the replica turns out to have later TXIDs than the staged commits, the upload is complete only when the replica has the staged commits', async (t) => {
  const { file, url, open, level0, write } = await fixture(t)
  await writtenBefore(t, url)
  const { primary, uploader } = await open()
  await primary.sync()
  write()
  // The store responds late: the staged TXID of the commit is then invalid, and no sync has run
  // since.
  assert.equal(await primary.sync(), 2)
  await uploader.align()
  assert.equal(await uploader.run(), true)
  assert.deepEqual(await level0(), [1, 2, 3, 4])
  assert.equal(await assertReplicaEquals(url, file), 4)
})

test('no new file has an earlier time than the newest file in the replica, whichever primary wrote the newest file', async (t) => {
  const { url, client, open, write } = await fixture(t)
  t.mock.timers.enable({ apis: ['Date'], now: 1_900_000_000_000 })
  await writtenBefore(t, url)
  t.mock.timers.setTime(1_800_000_000_000)
  const { primary, uploader } = await open()
  await uploader.run()
  write()
  await primary.sync()
  await uploader.run()
  for (const txid of [3, 4, 5]) {
    const { timestamp } = await identifyRemote(client, { level: 0, minTxid: txid, maxTxid: txid })
    assert.equal(timestamp, 1_900_000_000_000, `TXID ${txid}`)
  }
})

test('the primary saves a very long fencing reason in a shortened form', async (t) => {
  const { open } = await fixture(t)
  const { primary } = await open()
  await primary.sync()
  await primary.fence(`TXID 2 was written by ${'x'.repeat(5000)}`)
  await primary.close()
  const again = await open()
  assert.match(again.primary.state?.fenced ?? '', /^TXID 2 was written by x+$/)
  await assert.rejects(again.uploader.run(), { code: 'REPLICA_FENCED' })
})

/** The folder with the staged files cannot be read until the function that it returns is called. */
function withoutStaging({ staging }: PrimaryDatabase): () => void {
  const { directory } = staging
  renameSync(directory, `${directory}.kept`)
  writeFileSync(directory, '')
  return () => {
    rmSync(directory)
    renameSync(`${directory}.kept`, directory)
  }
}

test('if a repair of the replica fails while the state folder cannot be read, the repair is retried later, and blocks no upload', async (t) => {
  const { file, url, client, open, write } = await fixture(t)
  const { primary, uploader } = await open()
  await primary.sync()
  await uploader.run()
  for (let i = 0; i < 3; i++) {
    write()
    await primary.sync()
  }
  await uploader.run(1)
  const back = withoutStaging(primary)
  await assert.rejects(uploader.repair('files are missing in the replica'), { file: primary.staging.directory })
  back()
  await uploader.run()
  assert.equal(await assertReplicaEquals(url, file), 4)
  await uploader.repair('files are missing in the replica')
  await uploader.run()
  assert.equal(await assertReplicaEquals(url, file), 5)
  assert.deepEqual(
    (await collect(client.list(9))).map(({ maxTxid }) => maxTxid),
    [5],
  )
})

test('if the staged file of a repair is lost before the upload, the primary uploads a snapshot', async (t) => {
  const { file, url, client, open, write } = await fixture(t)
  const { primary, uploader } = await open()
  await primary.sync()
  await uploader.run()
  await uploader.repair('files are missing in the replica')
  await primary.sync()
  primary.staging.remove(2)
  write()
  await primary.sync()
  await uploader.run()
  assert.equal(await assertReplicaEquals(url, file), 2)
  assert.deepEqual(
    (await collect(client.list(9))).map(({ maxTxid }) => maxTxid),
    [2],
  )
})
