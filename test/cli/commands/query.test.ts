import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { openReplicaClient } from '../../../src/storage/open.js'
import { damageFrame } from '../../support/replica.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { run } from '../run.js'

async function fixture(t: TestContext) {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const url = `file://${dir}/replica`
  const config = path.join(dir, 'litestream.yml')
  writeFileSync(config, `dbs: [{ path: ${file}, replica: { url: "${url}" } }]`)
  const db = new Database(file)
  t.after(() => db.close())
  db.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, data);
    INSERT INTO t VALUES (1, 'a,"b"', x'00ff'), (2, NULL, 9007199254740993), (3, 'plain', 1.5)`)
  const sync = () => run(['replicate', '-once', '-config', config])
  return { dir, file, url, config, db, sync }
}

test('query prints the rows of a query on a replica as a table, JSON or CSV', async (t) => {
  const { url, config, file, sync } = await fixture(t)
  await sync()
  const sql = 'SELECT * FROM t ORDER BY id'
  const table = await run(['query', url, sql])
  assert.deepEqual([table.status, table.stderr], [0, ''])
  assert.equal(table.stdout, 'id  name   data\n1   a,"b"  00ff\n2          9007199254740993\n3   plain  1.5\n')
  const json = await run(['query', '-json', '-config', config, file, sql])
  assert.deepEqual(JSON.parse(json.stdout), [
    { id: 1, name: 'a,"b"', data: '00ff' },
    { id: 2, name: null, data: '9007199254740993' },
    { id: 3, name: 'plain', data: 1.5 },
  ])
  const csv = await run(['query', '-format=csv', url, sql])
  assert.equal(csv.stdout, 'id,name,data\n1,"a,""b""",00ff\n2,,9007199254740993\n3,plain,1.5\n')
})

test('query refuses an empty replica, a syntax error and a statement without result columns', async (t) => {
  const { url, sync } = await fixture(t)
  const empty = await run(['query', url, 'SELECT 1'])
  assert.equal(empty.status, 1)
  assert.match(empty.stderr, /^Error: .*no backup files found/)
  await sync()
  const typo = await run(['query', url, 'SELEC 1'])
  assert.deepEqual([typo.status, typo.stdout], [1, ''])
  assert.match(typo.stderr, /^Error: near "SELEC": syntax error, in: SELEC 1\n/)
  const write = await run(['query', url, 'DELETE FROM t'])
  assert.equal(write.status, 1)
  assert.match(
    write.stderr,
    /^Error: the statement returns no rows\nTry: Use a SELECT statement, because litestream-ts query can only read the replica/,
  )
})

test('if a page cannot be read, query prints the reason and no stack trace', async (t) => {
  const { dir, url, db, sync } = await fixture(t)
  db.exec(
    'INSERT INTO t SELECT NULL, hex(randomblob(2000)), 1 FROM (VALUES (1), (2), (3), (4)), (VALUES (1), (2), (3), (4))',
  )
  await sync()
  const past = await run(['query', '-timestamp', '2001-01-01T00:00:00Z', url, 'SELECT 1'])
  assert.match(past.stderr, /^Error: .*no matching backup files available[^\n]*\n(Try: [^\n]*\n)?$/)
  const function_ = await run(['query', url, "SELECT json('x')"])
  assert.equal(function_.status, 1)
  assert.match(
    function_.stderr,
    /^Error: malformed JSON, in: SELECT json\('x'\)\nTry: Correct the SQL statement[^\n]*\n$/,
  )
  const client = await openReplicaClient(url)
  for await (const info of client.list(0)) await damageFrame({ client, files: path.join(dir, 'replica') }, info, 10)
  await client.close()
  const damaged = await run(['query', url, 'SELECT max(name) FROM t'])
  assert.equal(damaged.status, 1)
  // A warning of the opening may precede it.
  assert.match(
    damaged.stderr,
    /(^|\n)Error: file:\/\/\S+ level 0 \S+\.ltx: [^\n]+\(offset \d+, page \d+\)\nTry: [^\n]+\n$/,
  )
})

test('the status command shows the local and the remote TXID of every configured database', async (t) => {
  const { dir, file, config, db, sync } = await fixture(t)
  const status = async (...flags: string[]) => {
    const { stdout, status, stderr } = await run(['status', '-config', config, '-json', ...flags])
    assert.equal(status, 0, stderr)
    return JSON.parse(stdout)
  }
  const [before] = await status()
  assert.deepEqual(
    [before.database, before.status, before.local_txid, before.remote_txid],
    [file, 'not initialized', '-', null],
  )
  await sync()
  db.exec("INSERT INTO t VALUES (4, 'd', 4)")
  await sync()
  const [after] = await status()
  assert.deepEqual(
    [after.status, after.local_txid, after.remote_txid, after.lag_seconds, after.levels[0].files],
    ['ok', '0000000000000002', '0000000000000002', 0, 2],
  )
  const [local] = await status('-local', file)
  assert.deepEqual(Object.keys(local), ['database', 'status', 'local_txid', 'wal_size', 'wal_bytes'])
  const table = await run(['status', '-config', config])
  assert.match(
    table.stdout,
    /^database +status +local txid +wal size +replica txid +lag +files per level\n.*app\.db +ok +0{15}2 .* +0{15}2 +0s +L0:2\n$/,
  )
  writeFileSync(
    config,
    `dbs: [{ path: ${dir}/none.db, replica: { path: ${dir}/none } }, { path: ${file}, replica: { url: "floppy:///x" } }]`,
  )
  assert.equal((await run(['status', '-config', config])).status, 1)
})

test('the reset command deletes only the state folder, and replication continues in the existing replica', async (t) => {
  const { dir, file, url, db, config, sync } = await fixture(t)
  await sync()
  const meta = path.join(dir, '.app.db-litestream')
  const dry = await run(['reset', '-dry-run', '-config', config, file])
  assert.match(dry.stdout, /^would delete .*:\n {2}.*ltx\n {2}.*primary-state\n$/)
  assert.ok(existsSync(path.join(meta, 'ltx')))
  const json = JSON.parse((await run(['reset', '-json', file])).stdout)
  assert.deepEqual([json.db_path, json.deleted.length, json.dry_run], [file, 2, false])
  assert.ok(!existsSync(path.join(meta, 'ltx')) && existsSync(file))
  assert.match((await run(['reset', file])).stdout, /^nothing to reset/)
  db.exec("INSERT INTO t VALUES (5, 'after', 5)")
  const again = await sync()
  assert.equal(again.status, 0, again.stderr)
  assert.match((await run(['query', url, 'SELECT max(id) FROM t'])).stdout, /\n5\n/)
  assert.equal((await run(['verify', url])).status, 0)
  // Files of other programs are kept, also in our folders.
  mkdirSync(path.join(meta, 'ltx/0/notes'), { recursive: true })
  for (const name of ['ltx/0/notes.txt', 'ltx/0/notes/x', 'own.tmp']) writeFileSync(path.join(meta, name), 'precious')
  writeFileSync(path.join(meta, 'ltx/0/0000000000000001-0000000000000001.ltx.tmp'), 'left')
  assert.equal((await run(['reset', file])).status, 0)
  const kept = readdirSync(meta, { recursive: true }).sort()
  assert.deepEqual(kept, ['ltx', 'ltx/0', 'ltx/0/notes', 'ltx/0/notes.txt', 'ltx/0/notes/x', 'own.tmp'])
  // As in Litestream, a database that the file does not name has the default folder.
  writeFileSync(`${dir}/other.yml`, `dbs: [{ path: ${dir}/none.db, replica: { path: ${dir}/none } }]`)
  const unnamed = await run(['reset', '-dry-run', '-config', `${dir}/other.yml`, file])
  assert.deepEqual([unnamed.status, unnamed.stderr], [0, ''])
  const missing = await run(['reset', `${dir}/none.db`])
  assert.deepEqual(
    [missing.status, missing.stderr],
    [1, `Error: database does not exist: ${dir}/none.db\nTry: Check the path.\n`],
  )
})
