// Replicas configured only by environment variables and URIs.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { runScript } from '../../support/child.js'
import { makeSource } from '../../support/replica.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, hex(randomblob(200)) FROM n;`

/**
 * The output of a script in a separate process, with `open(uri)` of better-sqlite3 and the VFS
 * loaded; it must write nothing to stderr.
 */
async function printed(t: TestContext, script: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const child = runScript(
    t,
    `const { load } = await import(src + '/index.js')
     const { default: Database } = await import('better-sqlite3')
     load(new Database(':memory:'))
     const open = (uri) => new Database(uri, { readonly: true })
     const value = (db, sql) => db.prepare(sql).pluck().get()
     const pause = () => new Promise((resolve) => setTimeout(resolve, 5))
     ${script}`,
    env,
  )
  assert.deepEqual([await child.ended, child.errors()], [0, ''])
  return child.output().trim().split('\n')
}

const HYDRATE = `const db = open('file:app.db?vfs=litestream')
  const file = value(db, 'PRAGMA litestream_hydration_file')
  while (file !== '' && value(db, 'PRAGMA litestream_hydration_progress') !== '100.0') await pause()
  console.log(file, value(db, 'SELECT count(v) FROM t'), value(db, 'PRAGMA litestream_hydration_progress'))`

test('a replica gets a local copy from the environment only if LITESTREAM_HYDRATION_ENABLED and LITESTREAM_HYDRATION_PATH are both set', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const copy = path.join(directory, 'copy.db')
  const env = { LITESTREAM_REPLICA_URL: url, LITESTREAM_HYDRATION_PATH: copy }
  for (const enabled of ['false', undefined]) {
    assert.deepEqual(await printed(t, HYDRATE, { ...env, LITESTREAM_HYDRATION_ENABLED: enabled }), ['2000 0.0'])
  }
  assert.equal(existsSync(copy), false)
  assert.deepEqual(await printed(t, HYDRATE, { ...env, LITESTREAM_HYDRATION_ENABLED: 'true' }), [`${copy} 2000 100.0`])
  assert.equal(existsSync(copy), true)
})

test('a local copy without a configured path is a temporary file, which is removed when the replica is closed or the process is killed', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const temporary = path.join(directory, 'tmp')
  mkdirSync(temporary)
  const env = { LITESTREAM_REPLICA_URL: url, TMPDIR: temporary }
  const on = { ...env, LITESTREAM_HYDRATION_ENABLED: 'true' }
  const [killed] = await printed(t, HYDRATE, on)
  assert.match(killed!, /\/tmp\/litestream-ts-copy-\w+\/copy\.db 2000 100\.0$/)
  assert.equal(readdirSync(temporary).length, 1, 'the process ended without closing the replica')
  const lines = await printed(
    t,
    `const { openReplica } = await import(src + '/index.js')
     const { readdirSync } = await import('node:fs')
     const replica = await openReplica(process.env.LITESTREAM_REPLICA_URL, { hydrate: true })
     await replica.hydrated
     const db = open(replica.uri)
     console.log(value(db, 'SELECT count(v) FROM t'), readdirSync(process.env.TMPDIR).length)
     db.close()
     await replica.close()
     console.log(readdirSync(process.env.TMPDIR).length)`,
    env,
  )
  assert.deepEqual(lines, ['2000 1', '0'])
})

test('the file in LITESTREAM_LOG_FILE gets the events of all replicas without secrets, and stdout gets no event', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const log = path.join(directory, 'replica.log')
  const script = `const { openReplica } = await import(src + '/index.js')
     const replica = await openReplica(process.env.LITESTREAM_REPLICA_URL)
     await replica.close()
     console.log('done')`
  const env = { LITESTREAM_REPLICA_URL: url, LITESTREAM_LOG_FILE: log }
  for (const level of [undefined, 'DEBUG']) {
    assert.deepEqual(await printed(t, script, { ...env, LITESTREAM_LOG_LEVEL: level }), ['done'])
  }
  const lines = readFileSync(log, 'utf8').trim().split('\n')
  assert.equal(lines.length, 4)
  assert.match(lines[0]!, /^time=\S+ level=INFO msg="replica opened" replica=file:\/\/\S+$/)
  assert.match(lines[3]!, /msg="replica closed"/)
  const failing = (more: NodeJS.ProcessEnv) =>
    printed(t, `try { open('file:app.db?vfs=litestream') } catch (error) { console.log(error.code, error.message) }`, {
      ...env,
      NODE_NO_WARNINGS: '1',
      ...more,
    })
  assert.match((await failing({ LITESTREAM_LOG_LEVEL: 'loud' }))[0]!, /^SQLITE_CANTOPEN .*unknown log level "loud"/)
  assert.match(
    (await failing({ LITESTREAM_LOG_FILE: `${directory}/none/x` }))[0]!,
    /^SQLITE_CANTOPEN .*opening the log/,
  )
})

test('if one process opens several replicas by URI, each replica has its own local copy', async (t) => {
  const one = await makeSource(t)
  const two = await makeSource(t)
  await one.history.commit(SEED)
  await two.history.commit(`${SEED} DELETE FROM t WHERE id > 1500; VACUUM`)
  const lines = await printed(
    t,
    `const uri = (url, copy) => 'file:app.db?vfs=litestream&hydration_enabled=true'
       + '&replica_url=' + encodeURIComponent(url) + '&hydration_path=' + encodeURIComponent(copy)
     const dbs = [open(uri(process.env.ONE, process.env.COPY + '1')), open(uri(process.env.TWO, process.env.COPY + '2'))]
     for (const db of dbs) {
       while (value(db, 'PRAGMA litestream_hydration_progress') !== '100.0') await pause()
       console.log(value(db, 'PRAGMA litestream_hydration_file'), value(db, 'SELECT count(v) FROM t'))
     }
     // The same again: the same replica, one copy.
     const again = open(uri(process.env.ONE, process.env.COPY + '1'))
     console.log(JSON.parse(value(again, 'SELECT litestream_stats()')).readers)`,
    { ONE: one.url, TWO: two.url, COPY: path.join(one.directory, 'copy') },
  )
  const copy = path.join(one.directory, 'copy')
  assert.deepEqual(lines, [`${copy}1 2000`, `${copy}2 1500`, '2'])
})

test('temporary files of many connections have different names, and no temporary file remains', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const temporary = path.join(directory, 'tmp')
  mkdirSync(temporary)
  const lines = await printed(
    t,
    `const dbs = Array.from({ length: 4 }, () => open('file:app.db?vfs=litestream'))
     const sorts = dbs.map((db, i) => {
       db.exec('PRAGMA temp_store=FILE; PRAGMA cache_size=5; CREATE TEMP TABLE x AS SELECT id + ' + i + ' AS id, v FROM t')
       db.exec('BEGIN; UPDATE x SET v = v || v; SAVEPOINT s; DELETE FROM x WHERE id % 2; ROLLBACK TO s')
       return db.prepare('SELECT v FROM x ORDER BY v DESC').pluck().iterate()
     })
     const rows = sorts.map(() => 0)
     // In turns: all of them have their files open at once.
     for (let open = sorts.length; open > 0; ) sorts.forEach((sort, i) => {
       if (sort === undefined) return
       if (sort.next().done) { sorts[i] = undefined; open-- } else rows[i]++
     })
     console.log(JSON.stringify(rows), JSON.stringify(dbs.map((db) => value(db, 'SELECT min(id) FROM x'))))
     for (const db of dbs) { db.exec('ROLLBACK'); db.close() }`,
    { LITESTREAM_REPLICA_URL: url, SQLITE_TMPDIR: temporary, TMPDIR: temporary },
  )
  assert.deepEqual(lines, ['[2000,2000,2000,2000] [1,2,3,4]'])
  assert.deepEqual(readdirSync(temporary), [])
})

test('garbage collection closes connections that the application did not close, even under stress', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const lines = await printed(
    t,
    `const { native } = await import(src + '/native/addon.js')
     const { openReplica } = await import(src + '/index.js')
     const { setFlagsFromString } = await import('node:v8')
     const { runInNewContext } = await import('node:vm')
     setFlagsFromString('--expose-gc')
     const gc = runInNewContext('gc')
     const replica = await openReplica(process.env.LITESTREAM_REPLICA_URL, { cacheSize: '256KiB' })
     // A function, or the last of them would stay in a register.
     const use = (i) => {
       const db = open(replica.uri)
       const rows = db.prepare('SELECT v FROM t WHERE id > ?').iterate(i * 5)
       rows.next()
       if (i % 3 === 0) { rows.return(); db.close() }
     }
     for (let i = 0; i < 200; i++) {
       use(i)
       if (i % 10 === 0) gc()
       if (i % 50 === 0) await replica.refresh()
     }
     for (let i = 0; replica.stats().readers > 0 && i < 200; i++) { gc(); await pause() }
     console.log(replica.stats().readers)
     await replica.close()
     console.log(native.openReplicas())`,
    { LITESTREAM_REPLICA_URL: url },
  )
  assert.deepEqual(lines, ['0', '0'])
})
