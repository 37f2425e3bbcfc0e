import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { makeDirectory } from '../../src/fs/directory.js'
import { run } from '../cli/run.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const isErrno = (code: string) => (error: NodeJS.ErrnoException) => error.code === code

test('makeDirectory creates missing directories with the given mode, and does not change existing directories', async (t) => {
  const dir = temporaryDirectory(t)
  const made = path.join(dir, 'a/b/c')
  await makeDirectory(made, undefined, 0o700)
  for (const each of ['a', 'a/b', 'a/b/c']) assert.equal(statSync(path.join(dir, each)).mode & 0o777, 0o700)
  await Promise.all(Array.from({ length: 8 }, () => makeDirectory(path.join(dir, 'x/y/z'))))
  assert.deepEqual(readdirSync(dir, { recursive: true }).sort(), ['a', 'a/b', 'a/b/c', 'x', 'x/y', 'x/y/z'])
  await makeDirectory(made)
  assert.equal(statSync(made).mode & 0o777, 0o700)
  mkdirSync(path.join(dir, 'real'))
  symlinkSync('real', path.join(dir, 'link'))
  await makeDirectory(path.join(dir, 'link/below'))
  assert.ok(statSync(path.join(dir, 'real/below')).isDirectory())
})

test('makeDirectory fails if a file or a dangling link is in place of the directory', async (t) => {
  const dir = temporaryDirectory(t)
  writeFileSync(path.join(dir, 'file'), '')
  symlinkSync('nowhere', path.join(dir, 'dangling'))
  for (const name of ['file', 'file/below', 'dangling']) {
    await assert.rejects(makeDirectory(path.join(dir, name)), isErrno('ENOTDIR'), name)
  }
})

// The option `recursive` of Node.js's mkdir never returns there.
test('makeDirectory fails if the file system refuses every new directory with ENOENT', async (t) => {
  await assert.rejects(makeDirectory('/proc/litestream-test/a/b'), isErrno('ENOENT'))
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  new Database(file).exec('CREATE TABLE t (x)').close()
  const written = await run(['replicate', '-once', file, 'file:///proc/litestream-test/replica'])
  assert.equal(written.status, 1)
  assert.match(written.stderr, /ERROR.*\/proc\/litestream-test.*hint=/)
  assert.equal((await run(['replicate', '-once', file, `file://${dir}/replica`])).status, 0)
  const restored = await run(['restore', '-o', '/proc/litestream-test/a.db', `file://${dir}/replica`])
  assert.equal(restored.status, 1)
  assert.match(restored.stderr, /^Error: .*\/proc\/litestream-test.*\nTry: /)
})
