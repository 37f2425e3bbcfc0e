import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { formatFileName } from '../../../src/ltx/file-name.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { History, hashFile } from '../../support/history.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { run, start } from '../run.js'

/** A replica of three TXIDs, a snapshot at the second. */
async function fixture(t: TestContext) {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const client = await openReplicaClient(url)
  const history = new History(path.join(dir, 'app.db'), client, 4096)
  t.after(() => history.close())
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
  await history.commit("INSERT INTO t (v) VALUES ('a'), ('b')")
  await history.snapshot()
  await history.commit("INSERT INTO t (v) VALUES ('c')")
  const file = (level: number, min: number, max: number) =>
    path.join(dir, 'replica/ltx', `${level}`, formatFileName(min, max))
  return { dir, url, history, output: path.join(dir, 'out.db'), file }
}

const last = '0000000000000003'

test('restore writes the database as it was at the newest TXID, a given TXID or a given time, and prints the restored TXID', async (t) => {
  const { url, history, output, dir } = await fixture(t)
  const newest = await run(['restore', '-o', output, url])
  assert.equal(newest.status, 0, newest.stderr)
  assert.equal(hashFile(output), history.hashes.get(3))
  assert.match(newest.stdout, /restored .*out\.db: .* TXID 0000000000000003, quick check ok, in /)
  assert.equal(newest.stderr, '', 'no progress bar where there is no terminal')

  const json = await run([
    'restore',
    '-json',
    '-force',
    '-txid',
    '0000000000000002',
    '-integrity-check',
    'full',
    '-o',
    output,
    url,
  ])
  assert.equal(hashFile(output), history.hashes.get(2))
  const { duration_ms, ...rest } = JSON.parse(json.stdout)
  const checked = { integrity_check: 'full', integrity: 'ok', warnings: [] }
  assert.deepEqual(rest, { db_path: output, replica: 'file', txid: '0000000000000002', ...checked })
  assert.equal(typeof duration_ms, 'number')

  const timestamp = new Date(history.times.get(1)! + 1).toISOString()
  assert.equal((await run(['restore', '-force', '-timestamp', timestamp, '-o', output, url])).status, 0)
  assert.equal(hashFile(output), history.hashes.get(1))
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.startsWith('out')),
    ['out.db'],
  )
})

test('restore writes a configured database to the database path in the configuration', async (t) => {
  const { dir, history } = await fixture(t)
  const config = path.join(dir, 'litestream.yml')
  writeFileSync(config, `dbs: [{ path: ${dir}/own.db, replica: { path: ${dir}/replica } }]`)
  assert.equal((await run(['restore', '-config', config, `${dir}/own.db`])).status, 0)
  assert.equal(hashFile(`${dir}/own.db`), history.hashes.get(3))
})

test('restore -dry-run prints the restore plan and writes no file', async (t) => {
  const { url, output } = await fixture(t)
  const table = await run(['restore', '-dry-run', '-o', output, url])
  assert.equal(table.status, 0)
  assert.match(table.stdout, /txid: +0000000000000003\n/)
  assert.match(table.stdout, /\nlevel {2}min_txid/)
  const plan = JSON.parse((await run(['restore', '-dry-run', '-json', '-o', output, url])).stdout)
  assert.deepEqual([plan.source, plan.target_path, plan.replica, plan.max_txid], [url, output, 'file', last])
  assert.deepEqual(
    plan.files.map((f: { level: number; name: string }) => [f.level, f.name]),
    [
      [9, formatFileName(1, 2)],
      [0, formatFileName(3, 3)],
    ],
  )
  assert.deepEqual(Object.keys(plan.files[0]), ['level', 'name', 'min_txid', 'max_txid', 'size', 'timestamp'])
  assert.ok(!existsSync(output))
})

test('restore refuses wrong arguments with a hint and exit status 1', async (t) => {
  const { dir, url, output, file } = await fixture(t)
  const fails = async (args: readonly string[], message: RegExp) => {
    const { status, stderr, stdout } = await run(['restore', ...args])
    assert.deepEqual([status, stdout], [1, ''])
    assert.match(stderr, message)
  }
  await fails([url], /^Error: output path required\nTry: Give the path of the restored database with -o\.\n$/)
  writeFileSync(output, 'precious')
  await fails(['-o', output, url], /^Error: cannot restore, output path already exists: .*out\.db\nTry: .*-force/)
  assert.equal(readFileSync(output, 'utf8'), 'precious')
  await fails(
    ['-txid', '3', '-o', output, url],
    /^Error: option '--txid <txid>' argument '3' is invalid\. Write a TXID as 16/,
  )
  await fails(
    ['-timestamp', '12:00', '-o', output, url],
    /argument '12:00' is invalid\. Write the time in RFC 3339 format/,
  )
  await fails(
    ['-timestamp', 'last night', '-o', output, url],
    /^Error: invalid time "last night": "night" names no exact time\nTry: Write the time in RFC 3339 .*in words/,
  )
  await fails(
    ['-integrity-check', 'deep', '-o', output, url],
    /argument 'deep' is invalid\. Allowed choices are none, quick, full/,
  )
  await fails(
    ['-txid', '0000000000000009', '-o', `${dir}/x.db`, url],
    /^Error: .*no matching backup files available for TXID 0000000000000009\nTry: /,
  )
  await fails(['-o', `${dir}/x.db`, `${url}-not`], /^Error: .*no backup files found\nTry: /)
  await fails(
    ['-txid', last, '-timestamp', '2026-01-31T15:04:05Z', '-o', `${dir}/x.db`, url],
    /a TXID or a timestamp, not both/,
  )
  const damage = (name: string) => {
    const bytes = readFileSync(name)
    bytes[300]! ^= 0xff
    writeFileSync(name, bytes)
  }
  damage(file(9, 1, 2))
  const around = await run(['restore', '-o', `${dir}/around.db`, url])
  assert.equal(around.status, 0)
  assert.match(around.stderr, /level 9 .*\.ltx.*The database was restored from other files/)
  damage(file(0, 3, 3))
  await fails(['-o', `${dir}/x.db`, url], /^Error: .*level 0 .*\.ltx/)
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.includes('x.db')),
    [],
  )
})

test('restore does nothing and exits with status 0 with -if-db-not-exists if the database exists, and with -if-replica-exists if the replica is empty', async (t) => {
  const { dir, url, output } = await fixture(t)
  writeFileSync(output, 'precious')
  const exists = await run(['restore', '-if-db-not-exists', '-o', output, url])
  assert.deepEqual([exists.status, readFileSync(output, 'utf8')], [0, 'precious'])
  assert.match(exists.stdout, /already exists, nothing restored/)
  const none = await run(['restore', '-if-replica-exists', '-json', '-o', `${dir}/x.db`, `${url}-not`])
  assert.deepEqual([none.status, JSON.parse(none.stdout).status], [0, 'no-replica'])
})

test('hydrate and restore write equal database files', async (t) => {
  const { url, history, output } = await fixture(t)
  const text = await run(['hydrate', '-o', output, url])
  assert.equal(text.status, 0, text.stderr)
  assert.equal(hashFile(output), history.hashes.get(3))
  assert.match(text.stdout, /^hydrated .*out\.db: .*, TXID 0000000000000003, in /)
  assert.equal((await run(['hydrate', '-o', output, url])).status, 1)
  const json = JSON.parse((await run(['hydrate', '-force', '-json', '-o', output, url])).stdout)
  assert.deepEqual([json.db_path, json.replica, json.txid, json.bytes], [output, 'file', last, history.bytes.length])
})

test('verify reports whether a replica can be restored, and names each damaged file', async (t) => {
  const { url, file } = await fixture(t)
  const good = await run(['verify', url])
  assert.equal(good.status, 0)
  assert.match(good.stdout, /^ok +file:.*: TXID 0000000000000003, 4 files, .* checked\n$/)
  const all = JSON.parse((await run(['verify', '-json', url])).stdout)
  assert.deepEqual([all.ok, all.txid, all.files, all.problems], [true, last, 4, []])
  const bytes = readFileSync(file(0, 1, 1))
  bytes[bytes.length - 20]! ^= 1
  writeFileSync(file(0, 1, 1), bytes)
  const damaged = await run(['verify', '-json', url])
  assert.equal(damaged.status, 1)
  const [problem] = JSON.parse(damaged.stdout).problems
  assert.equal(problem.kind, 'damaged')
  assert.ok(problem.error.includes(`level 0 ${formatFileName(1, 1)}`), problem.error)
  rmSync(file(9, 1, 2))
  rmSync(file(0, 2, 2))
  const gap = await run(['verify', url])
  assert.equal(gap.status, 1)
  assert.match(
    gap.stdout,
    /wrong {2}.*gap after TXID 0000000000000001\n[\s\S]*the replica has no file with which a restore could begin/,
  )
  const none = await run(['verify', `${url}-not`])
  assert.deepEqual(
    [none.status, /the replica has no file with which a restore could begin/.test(none.stdout)],
    [1, true],
  )
})

test('restore -f keeps a database up to date with its replica until a signal arrives', async (t) => {
  const { url, history, output } = await fixture(t)
  const follower = start(['restore', '-f', '-follow-interval', '10ms', '-o', output, url])
  cleanUp(t, () => follower.child.kill('SIGKILL'))
  await until('it is restored', () => follower.stdout().includes('is at TXID 0000000000000003'))
  await history.commit("INSERT INTO t (v) VALUES ('d')")
  await until('it follows', () => follower.stdout().includes('is at TXID 0000000000000004'))
  const copy = new Database(output, { readonly: true })
  assert.equal(copy.prepare('SELECT count(*) FROM t').pluck().get(), 4)
  copy.close()
  follower.child.kill('SIGTERM')
  assert.deepEqual(await follower.finished.then(({ status, stderr }) => [status, stderr]), [0, ''])
  const wrong = await run(['restore', '-f', '-txid', last, '-o', output, url])
  assert.match(wrong.stderr, /^Error: cannot use -f with -txid/)
})
