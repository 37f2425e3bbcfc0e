// The state folder beside the database is removed, emptied, replaced or made unreadable while a
// primary works. It is created again from the primary's memory; lost files that were not uploaded
// are replaced by a snapshot.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { cleanUp } from '../../support/clean-up.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { PrimaryChild } from '../primary-child.js'
import { assertReplicaEquals } from '../restored.js'

async function fixture(t: TestContext, name = 'app.db') {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, name)
  const url = `file://${dir}/replica`
  const app = new Database(file)
  cleanUp(t, () => app.close())
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (v BLOB)')
  const write = () => app.exec('INSERT INTO t VALUES (randomblob(3000))')
  const primary = new PrimaryChild(t, file, url)
  await primary.sync()
  const meta = path.join(dir, `.${name}-litestream`)
  const staged = path.join(meta, 'ltx/0')
  const reasons = () =>
    primary.of('sync').flatMap(({ snapshotReason }) => (snapshotReason === undefined ? [] : [snapshotReason]))
  const notices = () => primary.of('notice').map(({ object }) => object)
  const recovered = (operation: string) =>
    until(`${operation} recovers`, () => primary.of('recover').some((event) => event.operation === operation), 90_000)
  const failed = (operation: string) =>
    until(`${operation} fails`, () => primary.of('error').some((event) => event.operation === operation))
  const follows = async () => {
    write()
    await primary.sync()
    await assertReplicaEquals(url, file)
  }
  /** Nothing can be uploaded until the function that it returns is called. */
  const withoutStore = async () => {
    const level = path.join(dir, 'replica/ltx/0')
    renameSync(level, `${level}.kept`)
    writeFileSync(level, '')
    write()
    await failed('upload')
    return () => {
      rmSync(level)
      renameSync(`${level}.kept`, level)
    }
  }
  /** Changes files while the primary is paused. */
  const between = (change: () => void) => {
    primary.signal('SIGSTOP')
    change()
    primary.signal('SIGCONT')
  }
  return {
    dir,
    file,
    url,
    app,
    write,
    primary,
    between,
    meta,
    staged,
    reasons,
    notices,
    follows,
    failed,
    recovered,
    withoutStore,
  }
}

test('if the state folder is removed, the primary creates the state folder again, and no commit is missing after a restart', async (t) => {
  const { file, url, meta, primary, between, follows, notices, reasons } = await fixture(t)
  between(() => rmSync(meta, { recursive: true }))
  await follows()
  assert.deepEqual(notices(), ['state folder', 'state file'])
  assert.deepEqual(reasons(), ['first sync'])
  assert.equal(await primary.stop(), 0)
  const again = new PrimaryChild(t, file, url)
  await again.sync()
  assert.deepEqual([again.of('rejoin'), again.of('sync')], [[], []])
  assert.equal(await again.stop(), 0)
})

test('if the state folder is emptied, or the state file is removed or overwritten, the primary creates the state file again', async (t) => {
  const { meta, primary, between, follows, reasons } = await fixture(t)
  const changes: (() => void)[] = [
    () => {
      for (const name of readdirSync(meta)) rmSync(path.join(meta, name), { recursive: true })
    },
    () => rmSync(path.join(meta, 'primary-state')),
    () => writeFileSync(path.join(meta, 'primary-state'), 'x'.repeat(5000)),
    () => truncateSync(path.join(meta, 'primary-state')),
  ]
  for (const [i, change] of changes.entries()) {
    between(change)
    await until('it says so', () => primary.of('notice').length > i)
    await follows()
  }
  assert.deepEqual(reasons(), ['first sync'])
  assert.equal(await primary.stop(), 0)
})

test('if a file takes the place of the state folder, the primary reports an error until the file is removed', async (t) => {
  const { meta, primary, between, follows, failed, recovered, write } = await fixture(t)
  between(() => {
    rmSync(meta, { recursive: true })
    writeFileSync(meta, '')
  })
  write()
  await failed('sync')
  rmSync(meta)
  await recovered('sync')
  await follows()
  assert.equal(await primary.stop(), 0)
})

test('if the state folder of another database takes the place of the state folder, the primary does not use its contents', async (t) => {
  const other = await fixture(t, 'other.db')
  for (let i = 0; i < 5; i++) await other.follows()
  await other.primary.stop()
  const { meta, primary, between, follows, withoutStore, notices } = await fixture(t)
  const back = await withoutStore()
  between(() => {
    rmSync(meta, { recursive: true })
    cpSync(other.meta, meta, { recursive: true })
  })
  await until('it says so', () => notices().includes('state file'))
  back()
  await follows()
  assert.equal(await primary.stop(), 0)
})

test('if the state folder is removed before its files were uploaded, the primary uploads a snapshot', async (t) => {
  const { meta, primary, between, follows, withoutStore, reasons } = await fixture(t)
  const back = await withoutStore()
  between(() => rmSync(meta, { recursive: true }))
  await primary.waitFor('notice')
  back()
  await follows()
  assert.deepEqual(reasons(), ['first sync', 'staged files are missing'])
  assert.equal(await primary.stop(), 0)
})

test('if staged files are removed or truncated before their upload, the primary uploads a snapshot', async (t) => {
  for (const [what, damage] of [
    ['removed', rmSync],
    ['cut short', (file: string) => truncateSync(file, 150)],
    ['emptied', (file: string) => truncateSync(file, 0)],
  ] as const) {
    await t.test(what, async (t) => {
      const { staged, primary, follows, withoutStore, reasons } = await fixture(t)
      const back = await withoutStore()
      damage(path.join(staged, readdirSync(staged).sort().at(-1)!))
      back()
      await follows()
      assert.deepEqual(reasons(), ['first sync', 'staged files are missing'])
      assert.equal(await primary.stop(), 0)
    })
  }
})

test('if uploaded staged files are removed or damaged, compaction reads the replica’s files instead', async (t) => {
  const { dir, file, url, app, staged, primary, write } = await fixture(t)
  await primary.kill()
  const compaction = {
    levels: [{ level: 1, interval: 300 }],
    snapshot: { interval: 3_600_000, retention: 3_600_000 },
    l0Retention: 300_000,
    l0RetentionCheckInterval: 60_000,
    retentionEnabled: true,
  }
  const again = new PrimaryChild(t, file, url, { compaction })
  await again.sync()
  for (let i = 0; i < 10; i++) {
    write()
    await again.sync()
    const names = readdirSync(staged).sort()
    if (i % 2 === 0) rmSync(path.join(staged, names.at(-1)!))
    else {
      // Another file of that name: the file itself is the replica's file, too.
      writeFileSync(path.join(dir, 'other'), 'x'.repeat(200))
      renameSync(path.join(dir, 'other'), path.join(staged, names.at(-1)!))
    }
  }
  const last = again.of('upload').at(-1)!.txid as number
  await until('level 1 has all', () =>
    again.of('compaction').some(({ level, maxTxid }) => level === 1 && (maxTxid as number) >= last),
  )
  assert.deepEqual(again.of('error'), [])
  assert.equal(await again.stop(), 0)
  app.close()
  await assertReplicaEquals(url, file)
})

/** Runs the test's body as an ordinary user if the tests run as root. */
const unprivileged = process.getuid?.() === 0 && existsSync('/usr/bin/setpriv')

test('while the permissions of a folder are revoked, the primary reports an error, and new files do not get the temporary permissions', {
  skip: process.getuid?.() === 0 && !unprivileged,
}, async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'data', 'app.db')
  mkdirSync(path.dirname(file))
  const url = `file://${dir}/replica`
  const app = new Database(file)
  cleanUp(t, () => app.close())
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (v BLOB)')
  const write = () => app.exec('INSERT INTO t VALUES (randomblob(3000))')
  if (unprivileged) {
    execFileSync('chown', ['-R', '65534:65534', dir])
    chmodSync(dir, 0o755)
  }
  const primary = new PrimaryChild(
    t,
    file,
    url,
    {},
    unprivileged ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [],
  )
  await primary.sync()
  const meta = path.join(path.dirname(file), '.app.db-litestream')
  const errors = () => primary.of('error').length
  for (const [target, mode] of [
    [meta, 0o000],
    [path.join(meta, 'ltx/0'), 0o500],
    [path.dirname(file), 0o000],
    [file, 0o000],
    [path.join(dir, 'replica'), 0o000],
    [path.join(dir, 'replica/ltx/0'), 0o500],
  ] as const) {
    const before = errors()
    const recovers = primary.of('recover').length
    const was = spawnSync('stat', ['-c', '%a', target], { encoding: 'utf8' }).stdout.trim()
    chmodSync(target, mode)
    write()
    // A file that is open already can still be read and written.
    if (target !== file) await until(`an error for ${target}`, () => errors() > before)
    else await primary.waitFor('upload', primary.of('upload').length)
    chmodSync(target, Number.parseInt(was, 8))
    if (target !== file) await until(`${target} is back`, () => primary.of('recover').length > recovers, 90_000)
    write()
    await primary.sync()
    await assertReplicaEquals(url, file)
  }
  assert.equal(await primary.stop(), 0)
  const again = new PrimaryChild(t, file, url)
  write()
  await again.sync()
  assert.equal(await again.stop(), 0)
  await assertReplicaEquals(url, file)
})
