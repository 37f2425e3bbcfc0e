import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { cleanUp } from '../../support/clean-up.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { breakReplica } from '../break-replica.js'
import { run, start } from '../run.js'

function fixture(t: TestContext) {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const url = `file://${dir}/replica`
  const db = new Database(file)
  t.after(() => db.close())
  db.pragma('journal_mode = wal')
  db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t (v) VALUES ('a'), ('b')")
  /** Rows of `t` in a fresh restore of the replica. */
  const restored = async () => {
    const output = path.join(dir, 'restored.db')
    const { status, stderr } = await run(['restore', '-force', '-o', output, url])
    if (status !== 0) return stderr
    const copy = new Database(output, { readonly: true })
    try {
      return copy.prepare('SELECT v FROM t ORDER BY id').pluck().all()
    } finally {
      copy.close()
    }
  }
  const config = (text: string) => {
    const name = path.join(dir, 'litestream.yml')
    writeFileSync(name, text)
    return name
  }
  return { dir, file, url, db, restored, config }
}

test('replicate -once uploads all commits, and its flags also write a snapshot and run retention', async (t) => {
  const { file, url, db, restored } = fixture(t)
  const first = await run(['replicate', '-once', file, url])
  assert.equal(first.status, 0, first.stderr)
  assert.equal(first.stdout, '')
  for (const marker of ['replicating to', 'initialized db', 'ltx file uploaded'])
    assert.ok(first.stderr.includes(marker), marker)
  db.exec("INSERT INTO t (v) VALUES ('c')")
  const second = await run([
    'replicate',
    '-once',
    '-force-snapshot',
    '-enforce-retention',
    '-log-level',
    'error',
    file,
    url,
  ])
  assert.deepEqual([second.status, second.stderr], [0, ''])
  assert.deepEqual(await restored(), ['a', 'b', 'c'])
  const snapshots = JSON.parse((await run(['ltx', '-level', '9', '-json', url])).stdout)
  assert.deepEqual(
    snapshots.map((f: { max_txid: string }) => f.max_txid),
    ['0000000000000002'],
  )
})

test('replicate uploads commits continuously, syncs once more at its end, and exits with status 0', async (t) => {
  const { file, db, url, restored, config } = fixture(t)
  const name = config(
    `logging: { type: json, level: debug }\ndbs: [{ path: ${file}, monitor-interval: 20ms, replica: { url: "${url}", sync-interval: 20ms } }]`,
  )
  const daemon = start(['replicate', '-config', name])
  cleanUp(t, () => daemon.child.kill('SIGKILL'))
  await until('the first sync', () => daemon.stderr().includes('ltx file uploaded'))
  db.exec("INSERT INTO t (v) VALUES ('c')")
  await until('the second file', () => daemon.stderr().includes('"minTXID":"0000000000000002"'))
  assert.deepEqual(await restored(), ['a', 'b', 'c'])
  db.exec("INSERT INTO t (v) VALUES ('d')")
  daemon.child.kill('SIGTERM')
  const { status, stdout, stderr } = await daemon.finished
  assert.deepEqual([status, stdout], [0, ''])
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(lines.at(-1).msg, 'litestream shut down')
  assert.equal(lines.at(-1).level, 'INFO')
  assert.deepEqual(await restored(), ['a', 'b', 'c', 'd'])
})

test('a daemon that starts before its database exists waits for the database', async (t) => {
  const { dir, restored } = fixture(t)
  const late = path.join(dir, 'late.db')
  const daemon = start(['replicate', late, `file://${dir}/replica`])
  cleanUp(t, () => daemon.child.kill('SIGKILL'))
  await until('it runs', () => daemon.stderr().includes('replicating to'))
  const db = new Database(late)
  t.after(() => db.close())
  db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t (v) VALUES ('late')")
  await until('it was replicated', () => daemon.stderr().includes('ltx file uploaded'))
  daemon.child.kill('SIGINT')
  assert.equal((await daemon.finished).status, 0)
  assert.deepEqual(await restored(), ['late'])
})

test('replicate -exec runs a program, uploads the program’s last commit and exits with the program’s status', async (t) => {
  const { dir, file, url, restored } = fixture(t)
  const program = path.join(dir, 'program.mjs')
  const sqlite = import.meta.resolve('better-sqlite3')
  writeFileSync(
    program,
    `import Database from ${JSON.stringify(sqlite)}
     const db = new Database(process.argv[2])
     db.exec("INSERT INTO t (v) VALUES ('from the program')")
     console.log('hello')
     process.exitCode = Number(process.argv[3])`,
  )
  const exec = (status: number) => `${process.execPath} '${program}' ${file} ${status}`
  const failing = await run(['replicate', '-exec', exec(7), file, url])
  assert.deepEqual([failing.status, failing.stdout], [7, 'hello\n'], failing.stderr)
  assert.deepEqual(await restored(), ['a', 'b', 'from the program'])
  assert.equal((await run(['replicate', '-exec', exec(0), file, url])).status, 0)
  const missing = await run(['replicate', '-exec', '/nowhere/program', file, url])
  assert.equal(missing.status, 1)
  assert.match(missing.stderr, /Error: cannot start exec command \/nowhere\/program: .*ENOENT\nTry: .*sh -c/)
})

test('replicate -exec passes the first signal to the program, and a program that the signal ends does not count as failed', async (t) => {
  const { file, url } = fixture(t)
  const daemon = start(['replicate', '-exec', 'sh -c "echo started; exec sleep 60"', file, url])
  cleanUp(t, () => daemon.child.kill('SIGKILL'))
  await until('the program runs', () => daemon.stdout().includes('started'))
  daemon.child.kill('SIGTERM')
  assert.equal((await daemon.finished).status, 0, daemon.stderr())
})

test('if the last sync fails, replicate ends with status 1, and a second signal ends the retries of the last sync', async (t) => {
  const { dir, file, db, config } = fixture(t)
  const replica = path.join(dir, 'replica')
  const name = config(
    `shutdown-sync-timeout: 100ms\nshutdown-sync-interval: 10ms\ndbs: [{ path: ${file}, replica: { path: ${replica} } }]`,
  )
  const begin = async (configuration: string) => {
    const daemon = start(['replicate', '-config', configuration])
    cleanUp(t, () => daemon.child.kill('SIGKILL'))
    await until('the replica is there', () => daemon.stderr().includes('initialized db'))
    await until(
      'the first sync',
      () => daemon.stderr().includes('ltx file uploaded') || daemon.stderr().includes('upload error'),
    )
    breakReplica(replica)
    db.exec("INSERT INTO t (v) VALUES ('lost')")
    return daemon
  }
  const failing = await begin(name)
  failing.child.kill('SIGTERM')
  const { status, stderr } = await failing.finished
  assert.equal(status, 1, stderr)
  assert.match(stderr, /the last sync failed: the replica is behind/)

  rmSync(path.join(replica, 'ltx'))
  const patient = config(`shutdown-sync-timeout: 10m\ndbs: [{ path: ${file}, replica: { path: ${replica} } }]`)
  const daemon = await begin(patient)
  daemon.child.kill('SIGTERM')
  await until('it shuts down', () => daemon.stderr().includes('shutting down'))
  daemon.child.kill('SIGTERM')
  assert.equal((await daemon.finished).status, 143)
})

test('replicate -restore-if-db-not-exists restores a missing database before replication begins', async (t) => {
  const { dir, file, url, db } = fixture(t)
  assert.equal((await run(['replicate', '-once', file, url])).status, 0)
  db.close()
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
  rmSync(path.join(dir, '.app.db-litestream'), { recursive: true })
  const again = await run(['replicate', '-once', '-restore-if-db-not-exists', file, url])
  assert.equal(again.status, 0, again.stderr)
  assert.match(again.stderr, /database restored/)
  const back = new Database(file, { readonly: true })
  assert.equal(back.prepare('SELECT count(*) FROM t').pluck().get(), 2)
  back.close()
})

test('replicate replicates every database of a watched directory, including databases that are created later', async (t) => {
  const { dir, config } = fixture(t)
  const many = path.join(dir, 'many')
  mkdirSync(many)
  const create = (name: string) => {
    const db = new Database(path.join(many, name))
    db.exec('CREATE TABLE t (v); INSERT INTO t VALUES (1)')
    db.close()
  }
  create('one.db')
  const name = config(`dbs: [{ dir: ${many}, pattern: "*.db", watch: true, replica: { path: ${dir}/replicas } }]`)
  const daemon = start(['replicate', '-config', name])
  cleanUp(t, () => daemon.child.kill('SIGKILL'))
  const uploaded = (file: string) => new RegExp(`ltx file uploaded.*${file}`).test(daemon.stderr())
  await until('the first is there', () => uploaded('one.db'))
  create('two.db')
  await until('the second is there', () => uploaded('two.db'))
  for (const suffix of ['', '-wal', '-shm']) rmSync(path.join(many, `one.db${suffix}`), { force: true })
  await until('the first is gone', () => daemon.stderr().includes('database vanished'))
  daemon.child.kill('SIGTERM')
  await daemon.finished
  assert.equal((await run(['verify', `file://${dir}/replicas/two.db`])).status, 0)
})

test('replicate refuses wrong arguments with a hint and exit status 1', async (t) => {
  const { dir, file, url, config } = fixture(t)
  const fails = async (args: readonly string[], message: RegExp) => {
    const { status, stderr } = await run(['replicate', ...args])
    assert.equal(status, 1, stderr)
    assert.match(stderr, message)
  }
  await fails(
    [file],
    /^Error: must specify at least one replica URL for .*app\.db\nTry: Run litestream-ts replicate .* file:\/\/\//,
  )
  await fails([file, 'replica'], /^Error: not a replica URL: "replica"\nTry: /)
  await fails([file, url, url], /^Error: multiple replicas on a single database are no longer supported/)
  await fails(['-config', config(''), file, url], /^Error: cannot specify a replica URL and a config file/)
  await fails(['-force-snapshot', file, url], /^Error: -force-snapshot requires -once/)
  await fails(['-enforce-retention', file, url], /^Error: -enforce-retention requires -once/)
  await fails(['-once', '-exec', 'true', file, url], /^Error: cannot use -once with -exec/)
  const withExec = path.join(dir, 'exec.yml')
  writeFileSync(withExec, `exec: "true"\ndbs: [{ path: ${file}, replica: { url: "${url}" } }]`)
  await fails(['-once', '-config', withExec], /^Error: cannot use -once with `exec` of the configuration file\nTry: /)
  await fails(['-log-level', 'loud', file, url], /^Error: invalid log level: "loud"\nTry: Use one of trace/)
  await fails(['-config', '/nowhere.yml'], /^Error: config file not found: \/nowhere\.yml/)
  await fails(['-once', `${dir}/missing.db`, url], /sync failed/)
  writeFileSync(
    path.join(dir, 'text.db'),
    'this is no database, and long enough to have a header of one hundred bytes, so that SQLite looks into it.',
  )
  chmodSync(path.join(dir, 'text.db'), 0o600)
  await fails(['-once', path.join(dir, 'text.db'), `file://${dir}/other`], /sync failed.*DATABASE_INVALID/)
})
