import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { makeDirectory } from '../../src/fs/directory.js'
import { writeDurably } from '../../src/fs/durable.js'
import { openOwn, openOwnSync } from '../../src/fs/open-for-writing.js'
import { newFileMode, ownershipLike, ownershipLikeSync } from '../../src/fs/owner.js'
import { asNobody, NOBODY } from '../support/as-nobody.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const modeOf = (file: string) => statSync(file).mode & 0o7777

test('a folder for a database’s files is accessible only to users who can access the database file', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  writeFileSync(file, '')
  for (const [around, own, expected] of [
    [0o1777, 0o600, 0o700],
    [0o1777, 0o644, 0o755],
    [0o1777, 0o666, 0o777],
    [0o755, 0o640, 0o750],
    [0o750, 0o644, 0o750],
    [0o2775, 0o660, 0o2770],
    [0o700, 0o644, 0o700],
  ] as const) {
    chmodSync(file, own)
    chmodSync(dir, around)
    const ownership = await ownershipLike(file)
    assert.deepEqual([ownership?.fileMode, ownership?.directoryMode], [own, expected])
    assert.deepEqual(ownershipLikeSync(file), ownership)
    const made = path.join(dir, `${around}-${own}`, 'below')
    await makeDirectory(made, ownership)
    for (const folder of [made, path.dirname(made)]) assert.equal(modeOf(folder), expected)
  }
  assert.equal(await ownershipLike(path.join(dir, 'absent')), undefined)
  assert.equal(ownershipLikeSync(path.join(file, 'below a file')), undefined)
})

test('only users who can read all sources of a new file can read the new file', () => {
  const modes = (...sources: (number | undefined)[]) => newFileMode(sources.map((mode) => ({ mode })))
  assert.equal(modes(), 0o666)
  assert.equal(modes(undefined), 0o666)
  assert.equal(modes(0o644, 0o444), 0o666)
  assert.equal(modes(0o644, undefined, 0o640), 0o660)
  assert.equal(modes(0o400), 0o600)
  assert.equal(modes(0o604), 0o606)
})

test('if a new file cannot keep the group of the database file, the group gets only the permissions that every user has', async (t) => {
  const dir = temporaryDirectory(t)
  chmodSync(dir, 0o777)
  const like = path.join(dir, 'like')
  writeFileSync(like, '')
  chmodSync(like, 0o664)
  const ownership = (await ownershipLike(like))!
  await asNobody(async () => {
    await writeDurably(path.join(dir, 'durable'), Buffer.from('x'), { ownership })
    await (await openOwn(path.join(dir, 'own'), ownership)).close()
    openOwnSync(path.join(dir, 'own-sync'), ownership)
  })
  for (const name of ['durable', 'own', 'own-sync']) {
    assert.deepEqual([modeOf(path.join(dir, name)), statSync(path.join(dir, name)).uid], [0o644, NOBODY], name)
  }
})

test("if root creates a file in another user's folder, the file belongs to that user, and a replaced file keeps its owner", async (t) => {
  const dir = path.join(temporaryDirectory(t), 'home')
  mkdirSync(dir)
  chownSync(dir, NOBODY, NOBODY)
  const file = path.join(dir, 'made/below/file')
  await makeDirectory(path.dirname(file))
  await writeDurably(file, Buffer.from('x'), {})
  for (let each = file; each !== dir; each = path.dirname(each)) assert.equal(statSync(each).uid, NOBODY)
  chownSync(file, 1, 2)
  chmodSync(file, 0o604)
  await writeDurably(file, Buffer.from('y'), {})
  const { uid, gid } = statSync(file)
  assert.deepEqual([uid, gid, modeOf(file)], [1, 2, 0o604])
})
