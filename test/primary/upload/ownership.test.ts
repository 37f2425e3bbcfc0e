import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { compact } from '../../../src/compaction/compact.js'
import { createSnapshot } from '../../../src/compaction/snapshot.js'
import { replicateOnce } from '../../../src/primary/replicate-once.js'
import { restore } from '../../../src/restore/restore.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { asNobody, NOBODY } from '../../support/as-nobody.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

function fixture(t: TestContext, { mode = 0o600, owner = 0 } = {}) {
  const dir = temporaryDirectory(t)
  chmodSync(dir, 0o755)
  const home = path.join(dir, 'home')
  mkdirSync(home)
  const file = path.join(home, 'app.db')
  const db = new Database(file)
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (a); INSERT INTO t VALUES (1)')
  db.close()
  chmodSync(file, mode)
  for (const each of [dir, home, file]) chownSync(each, owner, owner)
  const replica = path.join(dir, 'replica')
  return { dir, home, file, replica, url: `file://${replica}` }
}

/** Everything below `root`, as [name, owner, mode]. */
function below(root: string): { name: string; uid: number; mode: number; isFile: boolean }[] {
  return readdirSync(root, { recursive: true }).map((name) => {
    const stats = statSync(path.join(root, String(name)))
    return { name: String(name), uid: stats.uid, mode: stats.mode & 0o777, isFile: stats.isFile() }
  })
}

for (const mode of [0o600, 0o640, 0o644]) {
  test(`for a database of mode ${mode.toString(8)}, the state folder and the replica have no wider permissions than the database`, async (t) => {
    const { dir, file, home, replica, url } = fixture(t, { mode })
    await replicateOnce(file, url)
    const client = await openReplicaClient(url)
    // By a program that does not know the database, too.
    await createSnapshot(client)
    await replicateOnce(file, url)
    await compact(client, { level: 1 })
    const all = [...below(home), ...below(replica)].filter(({ name }) => name !== 'app.db')
    assert.ok(all.filter(({ isFile }) => isFile).length >= 5, JSON.stringify(all))
    for (const { name, mode: made } of all)
      assert.equal(made & 0o777 & ~(mode | ((mode & 0o444) >> 2) | 0o300), 0, name)
    for (const { name, mode: made, isFile } of all) if (isFile) assert.equal(made, mode, name)
    const output = path.join(dir, 'restored.db')
    await restore(client, { output })
    assert.equal(statSync(output).mode & 0o777 & ~mode, 0)
  })
}

test('after root has replicated a database, the database’s owner can replicate the database, because all files belong to the owner', async (t) => {
  const { dir, file, home, url } = fixture(t, { owner: NOBODY })
  await replicateOnce(file, url)
  assert.deepEqual(
    below(dir).filter(({ uid }) => uid !== NOBODY),
    [],
  )
  await asNobody(async () => {
    const db = new Database(file)
    db.exec('INSERT INTO t VALUES (2)')
    db.close()
    const { txid, replicaTxid } = await replicateOnce(file, url)
    assert.ok(txid > 1)
    assert.equal(replicaTxid, txid)
  })
  // And root again: its state file keeps the owner, also where an earlier version of this program
  // left it to root.
  chownSync(path.join(home, '.app.db-litestream/primary-state'), 0, 0)
  const db = new Database(file)
  db.exec('INSERT INTO t VALUES (3)')
  db.close()
  await replicateOnce(file, url)
  assert.deepEqual(
    below(dir).filter(({ uid }) => uid !== NOBODY),
    [],
  )
})
