import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { PrimaryDatabase } from '../../../src/primary/sync/primary-database.js'
import { main } from '../../cli/run.js'
import { cleanUp } from '../../support/clean-up.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { assertReplicaEquals } from '../restored.js'

function makeDatabase(file: string): void {
  const db = new Database(file)
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)')
  db.close()
}

test('an open database uses seven file descriptors, and none of them stays open after the database is closed', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  makeDatabase(file)
  const descriptors = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(dir)
      } catch {
        return false // that of the folder just read
      }
    }).length
  const primary = await PrimaryDatabase.open(file)
  await primary.sync()
  assert.equal(descriptors(), 7)
  await primary.close()
  assert.equal(descriptors(), 0)
})

test('a database beyond the limit of open files gets an error that names the limit, and the other databases are replicated', async (t) => {
  const dir = temporaryDirectory(t)
  const data = path.join(dir, 'data')
  mkdirSync(data)
  makeDatabase(path.join(data, '0.db'))
  for (let i = 1; i < 12; i++) copyFileSync(path.join(data, '0.db'), path.join(data, `${i}.db`))
  const config = path.join(dir, 'litestream.yml')
  // JSON is YAML.
  const replica = { url: `file://${dir}/replica` }
  writeFileSync(
    config,
    JSON.stringify({ 'shutdown-sync-timeout': '0s', dbs: [{ dir: data, pattern: '*.db', replica }] }),
  )
  const limit = 96 + 8 * 7
  const command = `ulimit -n ${limit}; exec "$0" "$1" replicate -once -config "$2"`
  const failed = await promisify(execFile)('sh', ['-c', command, process.execPath, main, config]).then(
    () => assert.fail('some databases cannot be opened'),
    (error: { code: number; stderr: string }) => error,
  )
  assert.equal(failed.code, 1)
  const refused = failed.stderr.match(/code=DESCRIPTOR_LIMIT/g) ?? []
  assert.ok(refused.length >= 4, failed.stderr)
  assert.match(
    failed.stderr,
    new RegExp(`the limit of this process is ${limit}: 8 open databases use 56 file descriptors, and 96 are reserved`),
  )
  assert.match(failed.stderr, /hint="Raise the limit of open files to 159 or more: `ulimit -n`, or LimitNOFILE=/)
  assert.equal(readdirSync(path.join(dir, 'replica')).length, 8)
})

test('a daemon with more databases than the limit of open files allows closes idle databases, and replicates every later commit', async (t) => {
  const dir = temporaryDirectory(t)
  const data = path.join(dir, 'data')
  mkdirSync(data)
  makeDatabase(path.join(data, '0.db'))
  const count = 12
  for (let i = 1; i < count; i++) copyFileSync(path.join(data, '0.db'), path.join(data, `${i}.db`))
  const config = path.join(dir, 'litestream.yml')
  const replica = { url: `file://${dir}/replica` }
  writeFileSync(config, JSON.stringify({ dbs: [{ dir: data, pattern: '*.db', replica }] }))
  // Room for 9 of 12.
  const command = `ulimit -n ${96 + 9 * 7}; exec "$0" "$1" replicate -config "$2"`
  const start = () => {
    const daemon = spawn('sh', ['-c', command, process.execPath, main, config], { stdio: ['ignore', 'ignore', 'pipe'] })
    cleanUp(t, () => daemon.kill('SIGKILL'))
    const log: string[] = []
    daemon.stderr.setEncoding('utf8').on('data', (text: string) => log.push(text))
    const stop = async () => {
      const exited = once(daemon, 'exit')
      daemon.kill('SIGTERM')
      assert.deepEqual(await exited, [0, null], log.join(''))
      assert.doesNotMatch(log.join(''), /DESCRIPTOR_LIMIT/)
    }
    return { pid: daemon.pid, log, stop }
  }
  const daemon = start()
  const files = (i: number) => {
    const level = path.join(dir, 'replica', `${i}.db`, 'ltx/0')
    return existsSync(level) ? readdirSync(level).length : 0
  }
  const all = Array.from({ length: count }, (_, i) => i)
  await until('every database has a file', () => all.every((i) => files(i) === 1), 60_000)
  const open = () =>
    readdirSync(`/proc/${daemon.pid}/fd`).filter((fd) => {
      try {
        return readlinkSync(`/proc/${daemon.pid}/fd/${fd}`).startsWith(data)
      } catch {
        return false // closed meanwhile
      }
    }).length
  await until('idle databases are closed', () => open() <= 6 * 7)
  for (const i of all) {
    const db = new Database(path.join(data, `${i}.db`))
    db.exec('INSERT INTO t VALUES (2)')
    db.close()
    await until(`the commit to ${i}.db is replicated`, () => files(i) === 2)
  }
  await until('idle databases are closed again', () => open() <= 6 * 7)
  await daemon.stop()

  // A connection that is opened changes the -shm.
  const opened = () => all.map((i) => statSync(path.join(data, `${i}.db-shm`)).mtimeMs)
  const before = opened()
  const again = start()
  await until('every database is known', () => again.log.join('').split('initialized db').length - 1 >= count)
  const same = opened().filter((time, i) => time === before[i]).length
  assert.ok(same >= 3, `${same} databases were not opened`)
  for (const i of all) {
    const db = new Database(path.join(data, `${i}.db`))
    db.exec('INSERT INTO t VALUES (3)')
    db.close()
    await until(`the commit to ${i}.db is replicated`, () => files(i) === 3)
  }
  await again.stop()
  for (const i of all) await assertReplicaEquals(`file://${dir}/replica/${i}.db`, path.join(data, `${i}.db`))
})

test('the primary treats an idle database as quiet until one of the database’s files changes', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  makeDatabase(file)
  const primary = await PrimaryDatabase.open(file)
  t.after(() => primary.close())
  await primary.sync()
  await primary.sync()
  assert.equal(primary.isQuiet, true)
  const db = new Database(file)
  t.after(() => db.close())
  db.exec('INSERT INTO t VALUES (2)')
  assert.equal(primary.isQuiet, false)
  const txid = await primary.sync()
  await primary.sync()
  assert.equal(primary.isQuiet, true)
  assert.equal(primary.txid, txid)
  writeFileSync(path.join(primary.meta, 'primary-state'), 'x')
  assert.equal(primary.isQuiet, false)
  await primary.sync()
  await primary.sync()
  assert.equal(primary.isQuiet, true)
  await primary.checkpoint()
  await primary.sync()
  await primary.sync()
  assert.equal(primary.isQuiet, true)
})
