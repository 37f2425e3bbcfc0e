// A primary is killed in the middle of an upload, on every store: no reader sees a part of the
// file, the replica can be restored, and the next process continues.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, watch } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { listLevels } from '../../../src/levels/plan.js'
import { verifyReplica } from '../../../src/levels/verify-replica.js'
import { restore } from '../../../src/restore/restore.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { EVERY_STORE, type Place, useEnv } from '../../support/every-store.js'
import { notRun } from '../../support/not-run.js'
import { smallFileSystem } from '../../support/small-file-system.js'
import { startTcpGate } from '../../support/tcp-gate.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { PrimaryChild } from '../primary-child.js'
import { assertReplicaEquals } from '../restored.js'

const MiB = 2 ** 20

/** Rows of the restored database. */
async function restoredRows(t: TestContext, url: string): Promise<number> {
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  const output = path.join(temporaryDirectory(t), 'restored.db')
  await restore(client, { output, integrityCheck: 'full' })
  const db = new Database(output, { readonly: true })
  cleanUp(t, () => db.close())
  return db.prepare('SELECT count(*) FROM t').pluck().get() as number
}

/** The newest TXID that a reader sees; all files must be whole. */
async function visibleTxid(t: TestContext, url: string): Promise<number> {
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  const { faults } = await verifyReplica(client)
  assert.deepEqual(faults, [])
  return Math.max(...(await listLevels(client)).flat().map(({ maxTxid }) => maxTxid))
}

/** Resolves with true when the primary is in the middle of an upload; false if it was too fast. */
type Interrupt = (
  t: TestContext,
  place: Place,
) => Promise<{ readonly port?: number; hold(): Promise<boolean>; open(): void }>

/** Files appear under a temporary name first: that is when it is killed. */
const inFolder: Interrupt = async (_t, { folder }) => {
  const level = path.join(folder!, 'app.db/ltx/0')
  return {
    hold: () =>
      new Promise((resolve) => {
        const watcher = watch(level, (_event, name) => {
          if (name === null || /^[0-9a-f-]+\.ltx\.tmp$/.test(name) || /\.tmp$/.test(name)) resolve(true)
          else resolve(!readdirSync(level).includes(name))
          watcher.close()
        })
      }),
    open: () => undefined,
  }
}

const onNetwork: Interrupt = async (t, { port }) => {
  const gate = await startTcpGate(t, { host: '127.0.0.1', port: port! })
  return { port: gate.port, hold: () => gate.holdAfter(MiB).then(() => true), open: gate.open }
}

for (const store of EVERY_STORE) {
  test(`${store.name}: after a primary is killed in the middle of an upload, the next primary uploads every commit`, async (t) => {
    if (store.missing !== undefined) return notRun(t, store.name, store.missing)
    const place = await store.place(t)
    const interrupt = await (place.port === undefined ? inFolder : onNetwork)(t, place)
    useEnv(t, place.env())
    const start = (): PrimaryChild => {
      Object.assign(process.env, place.env(interrupt.port))
      const child = new PrimaryChild(t, file, gated)
      Object.assign(process.env, place.env())
      return child
    }
    const gated = place.url('app.db', interrupt.port)
    const direct = place.url('app.db')
    const dir = temporaryDirectory(t)
    const file = path.join(dir, 'app.db')
    // A folder in the file system of the database gets links, which are never incomplete.
    if (place.folder !== undefined && place.port === undefined) {
      mkdirSync(path.join(place.folder, 'app.db'))
      const mounted = smallFileSystem(t, path.join(place.folder, 'app.db/ltx'), '64m')
      if (mounted === undefined) return notRun(t, 'mount', 'only root can mount a file system')
    }
    const app = new Database(file)
    cleanUp(t, () => app.close())
    app.pragma('journal_mode = wal')
    app.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB); INSERT INTO t (v) VALUES (1)')
    const insert = app.prepare('INSERT INTO t (v) VALUES (randomblob(?))')

    // In parts on S3, whose parts have 5 MiB; a copy of a folder takes some time.
    const size = ['s3', 'file'].includes(store.name) ? 6 * MiB : 2 * MiB
    let rows = 1
    for (let killed = false; !killed; ) {
      const primary = start()
      await primary.sync()
      const before = await visibleTxid(t, direct)
      const held = interrupt.hold()
      insert.run(size)
      killed = await held
      await primary.kill()
      // A reader sees the state before, or, if the kill came too late, the whole new one.
      const seen = await visibleTxid(t, direct)
      rows++
      if (seen > before) killed = false
      assert.equal(await restoredRows(t, direct), seen > before ? rows : rows - 1)
      interrupt.open()
    }

    const next = start()
    await next.sync()
    insert.run(10)
    await next.sync()
    await assertReplicaEquals(direct, file)
    assert.equal(await next.stop(), 0)
  })
}
