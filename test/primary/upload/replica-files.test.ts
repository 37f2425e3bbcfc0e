// Files of a replica are removed, truncated or replaced while a primary writes to it. The primary
// detects this by a listing, without a restart, and uploads a snapshot if the newest state could
// not be restored.
import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { formatFileName } from '../../../src/ltx/file-name.js'
import type { ReplicatorOptions } from '../../../src/primary/options.js'
import { replicateOnce } from '../../../src/primary/replicate-once.js'
import { restore } from '../../../src/restore/restore.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { putFile } from '../../support/put-file.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { PrimaryChild } from '../primary-child.js'
import { assertReplicaEquals } from '../restored.js'

const SECOND = 1000
const CHECK = 300

async function fixture(t: TestContext, options: Partial<ReplicatorOptions> = {}, pageSize = 4096) {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const replica = path.join(dir, 'replica')
  const url = `file://${replica}`
  const app = new Database(file)
  cleanUp(t, () => app.close())
  app.pragma(`page_size = ${pageSize}`)
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (v BLOB)')
  const write = () => app.exec('INSERT INTO t VALUES (randomblob(3000))')
  // Snapshots only: which files a restore needs does not depend on when a level was compacted.
  const compaction = {
    levels: [],
    snapshot: { interval: 3600 * SECOND, retention: 3600 * SECOND },
    l0Retention: 300 * SECOND,
    l0RetentionCheckInterval: 60 * SECOND,
    retentionEnabled: true,
  }
  const primary = new PrimaryChild(t, file, url, { replicaCheckInterval: CHECK, compaction, ...options })
  await primary.sync()
  for (let i = 0; i < 4; i++) {
    write()
    await primary.sync()
  }
  const rejoined = () => primary.of('rejoin').map(({ reason }) => reason as string)
  const codes = (operation: string) =>
    primary
      .of('error')
      .flatMap((event) => (event.operation === operation ? [(event.error as { code: string }).code] : []))
  /** The newest state can be restored again, without a commit. */
  const restorable = async () => {
    const before = rejoined().length
    await until('a snapshot follows', () => rejoined().length > before)
    await until('the replica is equal again', async () => {
      try {
        await assertReplicaEquals(url, file)
        return true
      } catch {
        return false
      }
    })
  }
  const follows = async () => {
    write()
    await primary.sync()
    await assertReplicaEquals(url, file)
  }
  const level = (n: number) => path.join(replica, 'ltx', `${n}`)
  const files = (n: number) => readdirSync(level(n)).sort()
  const newest = (n: number) => path.join(level(n), files(n).at(-1)!)
  /** Changes files while the primary is paused. */
  const between = (change: () => void) => {
    primary.signal('SIGSTOP')
    change()
    primary.signal('SIGCONT')
  }
  return {
    dir,
    file,
    replica,
    url,
    app,
    write,
    primary,
    rejoined,
    codes,
    restorable,
    follows,
    level,
    files,
    newest,
    between,
  }
}

test('if the replica’s files, or the whole folder, are removed, the primary uploads a snapshot even without new commits', async (t) => {
  const { replica, primary, between, restorable, follows, rejoined } = await fixture(t)
  between(() => rmSync(path.join(replica, 'ltx'), { recursive: true }))
  await restorable()
  await follows()
  between(() => rmSync(replica, { recursive: true }))
  await restorable()
  await follows()
  assert.deepEqual(rejoined(), ['the replica was emptied', 'the replica was emptied'])
  assert.equal(await primary.stop(), 0)
})

test('if the replica’s files are removed right before the primary ends, the last sync uploads a snapshot', async (t) => {
  const { replica, url, file, primary, between } = await fixture(t, { replicaCheckInterval: 3600 * SECOND })
  between(() => rmSync(replica, { recursive: true }))
  assert.equal(await primary.stop(), 0)
  await assertReplicaEquals(url, file)
})

test('if a level or a file is removed, the primary uploads a snapshot if restores need the removed files, and otherwise logs a notice', async (t) => {
  const { level, newest, files, primary, between, restorable, follows, rejoined } = await fixture(t)
  await until('there is a snapshot', () => primary.of('compaction').some((event) => event.level === 9))
  // The one that leads on from the snapshot.
  const next = Number.parseInt(files(9).at(-1)!.slice(17, 33), 16) + 1
  between(() => rmSync(path.join(level(0), formatFileName(next, next))))
  await restorable()
  await follows()
  between(() => rmSync(level(0), { recursive: true }))
  await restorable()
  await follows()
  // Level 0 reaches as far as the snapshot, from its first file on: restores need neither the other
  // snapshots nor this one.
  const before = rejoined().length
  between(() => {
    for (const name of files(9).slice(0, -1)) rmSync(path.join(level(9), name))
  })
  await until('it says so', () => primary.of('notice').some(({ object }) => object === 'replica'))
  assert.equal(rejoined().length, before)
  between(() => rmSync(newest(9)))
  await restorable()
  await follows()
  assert.equal(await primary.stop(), 0)
})

test('if the newest file or the snapshot that restores need is truncated, the primary uploads a snapshot', async (t) => {
  const { newest, primary, between, restorable, follows, rejoined } = await fixture(t)
  await until('there is a snapshot', () => primary.of('compaction').some((event) => event.level === 9))
  for (const [i, damage] of [
    () => truncateSync(newest(0), 0),
    () => truncateSync(newest(0), 200),
    () => truncateSync(newest(9), 0),
    () => putFile(newest(9), '<html>not found</html>'.repeat(30)),
  ].entries()) {
    between(damage)
    await restorable()
    await follows()
    assert.match(rejoined()[i]!, /^file .* is damaged: the file has \d+ bytes$/)
  }
  assert.equal(await primary.stop(), 0)
})

test('if the newest file is damaged while no primary runs, the next primary uploads a snapshot at its start', async (t) => {
  const { newest, primary, url, file, write } = await fixture(t)
  assert.equal(await primary.stop(), 0)
  for (const damage of [
    () => truncateSync(newest(0), 0),
    () => putFile(newest(0), '<html>not found</html>'.repeat(30)),
    () => truncateSync(newest(0), 250),
  ]) {
    damage()
    write()
    await replicateOnce(file, url)
    await assertReplicaEquals(url, file)
  }
})

test('if a damaged file has the name of the next upload, the primary skips the TXID of the damaged file', async (t) => {
  const { level, files, primary, between, write, follows, rejoined, url, file } = await fixture(t, {
    replicaCheckInterval: 3600 * SECOND,
  })
  for (const bytes of ['', 'not an LTX file '.repeat(40)]) {
    between(() => {
      const txid = Number.parseInt(files(0).at(-1)!, 16) + 1
      putFile(path.join(level(0), formatFileName(txid, txid)), bytes)
      write()
    })
    await primary.sync()
    await assertReplicaEquals(url, file)
    await follows()
  }
  assert.match(rejoined()[0]!, /^the file of TXID 0000000000000006 in the replica is damaged$/)
  assert.equal(rejoined().length, 2)
  assert.equal(await primary.stop(), 0)
})

test('if a file with a higher TXID appears, the primary first reports an error and then uploads a snapshot with a later TXID', async (t) => {
  const { level, newest, primary, between, follows, rejoined, codes, restorable } = await fixture(t)
  between(() => putFile(path.join(level(0), formatFileName(100, 100)), readFileSync(newest(0))))
  await until('it is an error', () => codes('replica').includes('REPLICA_RESET'))
  assert.deepEqual(rejoined(), [])
  await restorable()
  await follows()
  assert.equal(await primary.stop(), 0)
})

test('while another replica temporarily takes the replica’s place, the primary reports an error and writes nothing to the other replica', async (t) => {
  const other = await fixture(t)
  for (let i = 0; i < 5; i++) await other.follows()
  assert.equal(await other.primary.stop(), 0)
  const { replica, primary, between, follows, write, codes, rejoined } = await fixture(t, {
    replicaCheckInterval: 2 * SECOND,
  })
  const before = readdirSync(other.replica, { recursive: true }).sort()
  between(() => {
    renameSync(replica, `${replica}.away`)
    renameSync(other.replica, replica)
  })
  write()
  await until(
    'it is an error',
    () => codes('upload').includes('REPLICA_RESET') || codes('replica').includes('REPLICA_RESET'),
  )
  between(() => {
    renameSync(replica, other.replica)
    renameSync(`${replica}.away`, replica)
  })
  assert.deepEqual(readdirSync(other.replica, { recursive: true }).sort(), before)
  await follows()
  assert.deepEqual(rejoined(), [])
  assert.equal(await primary.stop(), 0)
})

test('if another replica permanently takes the replica’s place, the primary uploads a snapshot', async (t) => {
  const other = await fixture(t)
  for (let i = 0; i < 5; i++) await other.follows()
  assert.equal(await other.primary.stop(), 0)
  const { replica, primary, between, follows, restorable } = await fixture(t)
  between(() => {
    rmSync(replica, { recursive: true })
    cpSync(other.replica, replica, { recursive: true, preserveTimestamps: true })
  })
  await restorable()
  await follows()
  assert.equal(await primary.stop(), 0)
})

test('if an older copy of the replica takes the replica’s place, the primary uploads a snapshot', async (t) => {
  const { replica, dir, primary, between, follows, restorable } = await fixture(t)
  const copy = path.join(dir, 'copy')
  between(() => cpSync(replica, copy, { recursive: true, preserveTimestamps: true }))
  for (let i = 0; i < 3; i++) await follows()
  between(() => {
    rmSync(replica, { recursive: true })
    renameSync(copy, replica)
  })
  await restorable()
  await follows()
  assert.equal(await primary.stop(), 0)
})

test('if primary.json is removed or damaged, the primary writes primary.json again', async (t) => {
  const { replica, primary, between, follows, rejoined } = await fixture(t)
  const record = () => path.join(replica, readdirSync(replica).find((name) => name.startsWith('primary.json'))!)
  const reasons = () => primary.of('notice').map(({ reason }) => reason)
  between(() => rmSync(record()))
  await until('it says so', () => reasons().includes('the record was removed'))
  between(() => {
    const version = Number(record().slice(-10)) + 1
    putFile(`${record().slice(0, -10)}${String(version).padStart(10, '0')}`, 'not JSON')
  })
  await until('it says so', () => reasons().includes('the record is damaged'))
  await follows()
  assert.deepEqual(rejoined(), [])
  assert.equal(await primary.stop(), 0)
})

test('if a database with another page size replaces the replicated database, the new database is replicated', async (t) => {
  const { dir, file, app, primary, url, rejoined } = await fixture(t)
  app.close()
  const other = path.join(dir, 'other.db')
  const db = new Database(other)
  db.pragma('page_size = 1024')
  db.exec('CREATE TABLE t (v BLOB); INSERT INTO t VALUES (randomblob(5000))')
  db.close()
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix)
  renameSync(other, file)
  await until('it rejoins', () => rejoined().includes('the page size changed from 4096 to 1024 bytes'))
  await primary.sync()
  await assertReplicaEquals(url, file)
  assert.equal(await primary.stop(), 0)
})

test('if a file that compaction needs is damaged, the primary uploads a snapshot, and compaction continues after the snapshot', async (t) => {
  const { file, url, level, files, primary, write, follows } = await fixture(t)
  assert.equal(await primary.stop(), 0)
  // Of the same size, so that no listing tells, and in the replica only.
  const damaged = path.join(level(0), files(0)[2]!)
  const bytes = Buffer.from(await import('node:fs').then(({ readFileSync }) => readFileSync(damaged)))
  bytes[150]! ^= 0xff
  rmSync(damaged)
  putFile(damaged, bytes)
  rmSync(path.join(path.dirname(file), '.app.db-litestream/ltx/0', files(0)[2]!))
  const compaction = {
    levels: [{ level: 1, interval: 200 }],
    snapshot: { interval: 3600 * SECOND, retention: 3600 * SECOND },
    l0Retention: 300 * SECOND,
    l0RetentionCheckInterval: 60 * SECOND,
    retentionEnabled: true,
  }
  const again = new PrimaryChild(t, file, url, { compaction })
  await again.waitFor('rejoin')
  await until(
    'compaction recovers',
    () => again.of('recover').some(({ operation }) => operation === 'compaction'),
    60_000,
  )
  write()
  await again.sync()
  const last = again.of('upload').at(-1)!.txid as number
  await until('level 1 continues', () =>
    again.of('compaction').some((event) => event.level === 1 && (event.maxTxid as number) >= last),
  )
  await assertReplicaEquals(url, file)
  assert.equal(again.of('rejoin').length, 1)
  assert.equal(await again.stop(), 0)
  assert.ok(follows)
})

test('after files are lost, a restore to an earlier TXID works if no lost file is needed for this TXID', async (t) => {
  const { dir, url, newest, primary, between, restorable } = await fixture(t)
  between(() => truncateSync(newest(0), 0))
  await restorable()
  const client = await openReplicaClient(url)
  const output = path.join(dir, 'earlier.db')
  await restore(client, { output, txid: 4 })
  await client.close()
  const db = new Database(output)
  assert.equal(db.prepare('SELECT count(*) FROM t').pluck().get(), 3)
  db.close()
  assert.equal(await primary.stop(), 0)
})
