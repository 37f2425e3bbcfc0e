import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { isLitestreamError } from '../../src/errors.js'
import { lockPathOf, TargetLock } from '../../src/fs/target-lock.js'
import { follow } from '../../src/restore/follow.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { cleanUp } from '../support/clean-up.js'
import { History, hashFile } from '../support/history.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

const NOBODY = 65534

async function fixture(t: TestContext) {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const client = await openReplicaClient(url)
  const history = new History(path.join(dir, 'app.db'), client, 4096)
  t.after(() => history.close())
  await history.commit('CREATE TABLE t (a)')
  const out = path.join(dir, 'out')
  mkdirSync(out)
  return { dir, url, client, history, out, output: path.join(out, 'restored.db'), hash: history.hashes.get(1)! }
}

const modeOf = (file: string) => statSync(file).mode & 0o777

test('a restore over an existing database preserves the owner and mode of the database file', async (t) => {
  const { client, output, hash } = await fixture(t)
  for (const mode of [0o600, 0o640, 0o666, 0o444]) {
    writeFileSync(output, 'old')
    chmodSync(output, mode)
    chownSync(output, NOBODY, NOBODY)
    await restore(client, { output, force: true })
    const { uid, gid } = statSync(output)
    assert.deepEqual([modeOf(output), uid, gid, hashFile(output)], [mode, NOBODY, NOBODY, hash])
    rmSync(output)
  }
})

test('a new database that root restores belongs to the owner of the folder, and so do new folders', async (t) => {
  const { client, out } = await fixture(t)
  chownSync(out, NOBODY, NOBODY)
  const output = path.join(out, 'new/folders/restored.db')
  await restore(client, { output })
  for (let made = output; made !== out; made = path.dirname(made)) assert.equal(statSync(made).uid, NOBODY, made)
})

test('a new database that is restored from a file replica is readable only for users who can read all files of the replica', async (t) => {
  const { client, history, output, dir } = await fixture(t)
  await history.commit('INSERT INTO t VALUES (1)')
  const level0 = path.join(dir, 'replica/ltx/0')
  const [first, second] = readdirSync(level0).map((name) => path.join(level0, name)) as [string, string]
  const expected = modeOf(first)
  await restore(client, { output })
  assert.equal(modeOf(output), expected & 0o666)
  chmodSync(first, 0o640)
  await restore(client, { output: `${output}2` })
  assert.equal(modeOf(`${output}2`), expected & 0o660)
  chmodSync(second, 0o400)
  await restore(client, { output: `${output}3` })
  assert.equal(modeOf(`${output}3`), 0o600)
})

test('a restore to a symbolic link writes the target of the link, and checks for -wal and -shm files beside the target', async (t) => {
  const { client, output, dir, out, hash } = await fixture(t)
  mkdirSync(path.join(dir, 'shared'))
  const real = path.join(dir, 'shared/real.db')
  writeFileSync(real, '')
  symlinkSync('../shared/real.db', output)
  writeFileSync(`${real}-wal`, 'stale')
  await assert.rejects(restore(client, { output }), { code: 'OUTPUT_EXISTS', file: `${real}-wal` })
  await restore(client, { output, force: true })
  assert.equal(readlinkSync(output), '../shared/real.db')
  assert.deepEqual(
    [hashFile(real), readdirSync(path.dirname(real)), readdirSync(out)],
    [hash, ['real.db'], ['restored.db']],
  )
})

test('a restore refuses a FIFO, device, socket, directory or dangling link as output, whatever options are set', async (t) => {
  const { client, out } = await fixture(t)
  execFileSync('mkfifo', [path.join(out, 'fifo')])
  execFileSync('mknod', [path.join(out, 'device'), 'c', '1', '3'])
  mkdirSync(path.join(out, 'directory'))
  symlinkSync('nowhere', path.join(out, 'link'))
  for (const name of readdirSync(out)) {
    const before = lstatSync(path.join(out, name))
    for (const options of [{}, { force: true }, { ifDbNotExists: true }]) {
      await assert.rejects(restore(client, { output: path.join(out, name), ...options }), (error) => {
        return isLitestreamError(error, 'OUTPUT_EXISTS') && error.hint !== undefined
      })
    }
    const after = lstatSync(path.join(out, name))
    assert.deepEqual([after.ino, after.mode], [before.ino, before.mode])
  }
  execFileSync('mkfifo', [path.join(out, 'app.db-wal')])
  await assert.rejects(restore(client, { output: path.join(out, 'app.db'), force: true }), { code: 'OUTPUT_EXISTS' })
  assert.ok(lstatSync(path.join(out, 'app.db-wal')).isFIFO())
})

test('a restore refuses an output path among the files of the replica', async (t) => {
  const { client, dir, out } = await fixture(t)
  symlinkSync(path.join(dir, 'replica/ltx'), path.join(out, 'link'))
  const outputs = [
    path.join(dir, 'replica/ltx/0/x.db'),
    path.join(out, 'link/x.db'),
    path.join(dir, 'replica/ltx/x/y.db'),
  ]
  for (const output of outputs) {
    const refused = { code: 'INVALID_ARGUMENT', message: /is inside the replica/ }
    await assert.rejects(restore(client, { output, force: true }), refused)
    await assert.rejects(follow(client, { output, signal: new AbortController().signal }), refused)
  }
  assert.deepEqual(readdirSync(path.join(dir, 'replica/ltx')), ['0'])
})

test("a restore keeps the user's files in the output's folder, and removes the files of killed restores to this output", async (t) => {
  const { client, output, out } = await fixture(t)
  const users = [
    'restored.db.tmp',
    'restored.db.ltx.tmp',
    'restored.db.0123456789abcdef',
    'other.db.0123456789abcdef.tmp',
    'restored.db.0123456789ABCDEF.tmp',
    'restored.db.refused',
  ]
  for (const name of users) writeFileSync(path.join(out, name), 'precious')
  symlinkSync('restored.db.tmp', path.join(out, 'restored.db.0123456789abcdee.tmp'))
  users.push('restored.db.0123456789abcdee.tmp')
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    writeFileSync(path.join(out, `restored.db.0123456789abcdef.tmp${suffix}`), 'left')
  }
  writeFileSync(lockPathOf(output), 'left')
  await restore(client, { output })
  assert.deepEqual(readdirSync(out).sort(), [...users, 'restored.db'].sort())
  for (const name of users) assert.equal(readFileSync(path.join(out, name), 'utf8'), 'precious')
})

test('if two restores have one output path, the second restore is refused, or waits if -if-db-not-exists is set', async (t) => {
  const { client, output, hash } = await fixture(t)
  const { signal } = new AbortController()
  const lock = await TargetLock.acquire(output, { wait: false, signal })
  await assert.rejects(restore(client, { output }), { code: 'OUTPUT_BUSY' })
  await assert.rejects(restore(client, { output, force: true }), { code: 'OUTPUT_BUSY' })
  assert.ok(!existsSync(output))
  let waits = 0
  const onProgress = ({ phase }: { phase: string }) => {
    if (phase === 'wait') waits++
  }
  const second = restore(client, { output, ifDbNotExists: true, onProgress })
  const third = restore(client, { output, ifDbNotExists: true, onProgress })
  await until('both wait', () => waits === 2)
  await lock.release()
  const statuses = (await Promise.all([second, third])).map(({ status }) => status)
  assert.deepEqual(statuses.sort(), ['output-exists', 'restored'])
  assert.equal(hashFile(output), hash)
  const stop = new AbortController()
  const again = await TargetLock.acquire(`${output}2`, { wait: false, signal })
  const waiting = restore(client, { output: `${output}2`, ifDbNotExists: true, signal: stop.signal, onProgress })
  await until('it waits', () => waits === 3)
  stop.abort()
  await assert.rejects(waiting, { code: 'ABORTED' })
  await again.release()
})

test('if another connection has a database open, a restore does not replace the database, and no data of the database is lost', async (t) => {
  const { client, output, hash } = await fixture(t)
  const db = new Database(output)
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE live (a); INSERT INTO live VALUES (1)')
  await assert.rejects(restore(client, { output, force: true }), { code: 'OUTPUT_BUSY', file: output })
  assert.equal(db.prepare('SELECT count(*) FROM live').pluck().get(), 1)
  db.exec('INSERT INTO live VALUES (2)')
  db.close()

  const code = `const D = require('better-sqlite3'); const db = new D(${JSON.stringify(output)})
    db.prepare('SELECT * FROM live').all(); console.log('open'); setInterval(() => db, 1000)`
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  cleanUp(t, () => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  await assert.rejects(restore(client, { output, force: true }), { code: 'OUTPUT_BUSY', file: output })
  assert.ok(existsSync(`${output}-wal`))
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
  // Its WAL is left, and goes with the database.
  await restore(client, { output, force: true })
  assert.deepEqual([hashFile(output), existsSync(`${output}-wal`)], [hash, false])
})

test('a transaction on a database with a rollback journal prevents a restore over this database', async (t) => {
  const { client, output, hash } = await fixture(t)
  const db = new Database(output)
  db.exec('CREATE TABLE live (a); BEGIN IMMEDIATE; INSERT INTO live VALUES (1)')
  await assert.rejects(restore(client, { output, force: true }), { code: 'OUTPUT_BUSY' })
  db.exec('COMMIT')
  db.close()
  await restore(client, { output, force: true })
  assert.equal(hashFile(output), hash)
})

test('while a follower runs, other programs cannot write to its output', async (t) => {
  const { client, history, output, out } = await fixture(t)
  chownSync(out, NOBODY, NOBODY)
  const stop = new AbortController()
  let txid = 0
  const following = follow(client, {
    output,
    interval: 5,
    signal: stop.signal,
    onAdvance: (state) => (txid = state.txid),
  })
  await until('it follows', () => txid === 1)
  await assert.rejects(restore(client, { output, force: true }), { code: 'OUTPUT_BUSY' })
  await assert.rejects(follow(client, { output, signal: new AbortController().signal }), { code: 'OUTPUT_BUSY' })
  await history.commit('INSERT INTO t VALUES (1)')
  await until('it continues', () => txid === 2)
  stop.abort()
  await following
  assert.deepEqual(readdirSync(out).sort(), ['restored.db', 'restored.db-txid'])
  for (const name of readdirSync(out)) assert.equal(statSync(path.join(out, name)).uid, NOBODY)
})

test('a restore accepts an output file name of 247 bytes, the longest name that SQLite can open', async (t) => {
  const { client, out, hash } = await fixture(t)
  const output = path.join(out, `${'a'.repeat(244)}.db`)
  await restore(client, { output })
  assert.equal(hashFile(output), hash)
  assert.equal(readdirSync(out).length, 1)
})
