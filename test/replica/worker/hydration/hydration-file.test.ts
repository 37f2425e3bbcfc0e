// Which file a local copy is, and what happens to other files.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { openReplica } from '../../../../src/replica/handle/open-replica.js'
import { NOBODY } from '../../../support/as-nobody.js'
import { makeSource, openTestReplica } from '../../../support/replica.js'

async function fixture(t: TestContext) {
  const { url, history, directory } = await makeSource(t)
  await history.commit('CREATE TABLE t (a)')
  const folder = path.join(directory, 'copies')
  mkdirSync(folder)
  const hydrate = async (name: string) => {
    const replica = await openTestReplica(t, url, { hydrate: path.join(folder, name) })
    await replica.whenHydrated()
    await replica.close()
  }
  return { url, history, folder, hydrate }
}

test('hydrate does not replace an existing file that is not a local copy', async (t) => {
  const { url, folder } = await fixture(t)
  const file = path.join(folder, 'notes.txt')
  writeFileSync(file, 'precious')
  await assert.rejects(openReplica(url, { hydrate: file }), { code: 'HYDRATION_CONFLICT', message: /notes\.txt\.meta/ })
  assert.equal(readFileSync(file, 'utf8'), 'precious')
  execFileSync('mkfifo', [path.join(folder, 'fifo')])
  await assert.rejects(openReplica(url, { hydrate: path.join(folder, 'fifo') }), { code: 'OUTPUT_EXISTS' })
  assert.ok(lstatSync(path.join(folder, 'fifo')).isFIFO())
  assert.deepEqual(readdirSync(folder).sort(), ['fifo', 'notes.txt'])
})

test("hydrate keeps the user's files in the local copy's folder, and removes the files that a killed process left", async (t) => {
  const { folder, hydrate } = await fixture(t)
  const users = ['copy.db.tmp', 'copy.db.meta.tmp', 'copy.db.0123456789abcdef']
  for (const name of users) writeFileSync(path.join(folder, name), 'precious')
  for (const name of ['copy.db', 'copy.db.meta'])
    writeFileSync(path.join(folder, `${name}.0123456789abcdef.tmp`), 'left')
  await hydrate('copy.db')
  assert.deepEqual(readdirSync(folder).sort(), [...users, 'copy.db', 'copy.db.meta'].sort())
  for (const name of users) assert.equal(readFileSync(path.join(folder, name), 'utf8'), 'precious')
})

test("if the path of a local copy is a symbolic link, the local copy and its meta file are created at the link's target", async (t) => {
  const { folder, hydrate } = await fixture(t)
  writeFileSync(path.join(folder, 'real.db'), '')
  symlinkSync('real.db', path.join(folder, 'link.db'))
  await hydrate('link.db')
  assert.deepEqual(readdirSync(folder).sort(), ['link.db', 'real.db', 'real.db.meta'])
  assert.ok(lstatSync(path.join(folder, 'link.db')).isSymbolicLink())
  assert.ok(statSync(path.join(folder, 'real.db')).size > 0)
})

test("only its owner can read a new local copy (if root creates it, the folder's owner), and an existing local copy keeps its owner and mode", async (t) => {
  const { folder, hydrate, history } = await fixture(t)
  chownSync(folder, NOBODY, NOBODY)
  await hydrate('copy.db')
  const all = () =>
    readdirSync(folder).map((name) => {
      const { uid, mode } = statSync(path.join(folder, name))
      return [name, uid, mode & 0o777]
    })
  assert.deepEqual(all(), [
    ['copy.db', NOBODY, 0o600],
    ['copy.db.meta', NOBODY, 0o600],
  ])
  chmodSync(path.join(folder, 'copy.db'), 0o640)
  // A damaged meta file: the copy is replaced by a new one.
  writeFileSync(path.join(folder, 'copy.db.meta'), 'damaged')
  await history.commit('INSERT INTO t VALUES (1)')
  await hydrate('copy.db')
  assert.deepEqual(all(), [
    ['copy.db', NOBODY, 0o640],
    ['copy.db.meta', NOBODY, 0o640],
  ])
})
