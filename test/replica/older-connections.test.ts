// ATTACH on connections that were opened before the VFS was registered: SQLite finds the VFS for it
// by the name of the VFS that the connection was opened with.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { runScript } from '../support/child.js'
import { currentNode } from '../support/current-node.js'
import { makeSource } from '../support/replica.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const SEED = 'CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1), (2), (3)'

const DRIVERS = [
  {
    name: 'better-sqlite3',
    node: () => process.execPath,
    open: `const { default: Database } = await import('better-sqlite3')
      const open = (file) => new Database(file)
      const value = (db, sql) => db.prepare(sql).pluck().get()`,
  },
  {
    name: 'node:sqlite',
    node: currentNode,
    open: `const { DatabaseSync } = await import('node:sqlite')
      const open = (file) => new DatabaseSync(file, { allowExtension: true })
      const value = (db, sql) => Object.values(db.prepare(sql).get())[0]`,
  },
]

interface Result {
  readonly printed: readonly unknown[]
  /** `CODE: message` of each process warning. */
  readonly warnings: readonly string[]
  /** The files in its working directory at the end. */
  readonly files: readonly string[]
}

/** Runs a script in a process and a folder of its own; it prints JSON values with `print`. */
async function run(
  t: TestContext,
  driver: (typeof DRIVERS)[number],
  script: string,
  env: NodeJS.ProcessEnv,
): Promise<Result> {
  const directory = temporaryDirectory(t)
  const child = runScript(
    t,
    `import { once } from 'node:events'
     const { getLoadablePath, load, openReplica } = await import(src + '/index.js')
     ${driver.open}
     process.chdir(process.env.DIRECTORY)
     const uri = (parameters) => 'file:app.db?' + parameters + '&replica_url=' + encodeURIComponent(process.env.URL)
     const printed = []
     const warnings = []
     const told = async (count) => {
       const alive = setInterval(() => undefined, 1000)
       const signal = AbortSignal.timeout(20000)
       while (warnings.filter((text) => text.startsWith('CONFIG_INVALID')).length < count) {
         await once(process, 'warning', { signal }).catch((error) => { throw new Error(warnings.join('\\n'), { cause: error }) })
       }
       clearInterval(alive)
     }
     const print = (value) => void printed.push(value)
     process.on('warning', ({ code, message }) => warnings.push(code + ': ' + message))
     const attempt = (work) => {
       try {
         return work()
       } catch (error) {
         return error.message
       }
     }
     ${script}
     console.log(JSON.stringify({ printed, warnings }))
     process.exit()`,
    { ...env, DIRECTORY: directory, NODE_NO_WARNINGS: '1' },
    driver.node(),
  )
  assert.deepEqual([await child.ended, child.errors()], [0, ''])
  return { ...JSON.parse(child.output()), files: readdirSync(directory).sort() }
}

for (const driver of DRIVERS) {
  test(`${driver.name}: ATTACH of a replica works on the connection that loaded the extension, and on connections that were opened before the extension was loaded`, async (t) => {
    const { url, history } = await makeSource(t)
    await history.commit(SEED)
    const { printed, files } = await run(
      t,
      driver,
      `const older = open('local.db')
       const own = open(':memory:')
       own.loadExtension(getLoadablePath())
       own.exec("ATTACH 'file:app.db?vfs=litestream' AS r")
       print([value(own, 'SELECT sum(n) FROM r.t'), value(own, 'SELECT litestream_txid()')])
       older.exec("CREATE TABLE l (n); INSERT INTO l VALUES (3), (4); ATTACH '" + uri('vfs=litestream&cache_size=1MiB') + "' AS one")
       const replica = await openReplica(process.env.URL)
       older.exec("ATTACH '" + replica.uri + "' AS two")
       print(value(older, 'SELECT count(*) FROM l JOIN one.t USING (n) JOIN two.t USING (n)'))
       print(value(older, 'PRAGMA two.integrity_check'))
       print(attempt(() => older.exec('DELETE FROM one.t')))
       older.exec('DETACH one; DETACH two; VACUUM; PRAGMA journal_mode = wal; INSERT INTO l VALUES (5)')
       older.exec("ATTACH 'second.db' AS s; CREATE TABLE s.x (y); BEGIN; INSERT INTO l VALUES (6); INSERT INTO s.x VALUES (1); COMMIT")
       print(value(older, 'SELECT count(*) FROM l'))
       older.close()
       print(value(own, 'SELECT count(*) FROM r.t'))`,
      { URL: url, LITESTREAM_REPLICA_URL: url },
    )
    assert.deepEqual(printed, [[6, '0000000000000001'], 1, 'ok', 'attempt to write a readonly database', 4, 3])
    assert.deepEqual(files, ['local.db', 'second.db'])
  })

  test(`${driver.name}: a connection that was opened before the extension was loaded writes to an attached replica`, async (t) => {
    const { url, history } = await makeSource(t)
    await history.commit(SEED)
    const { printed, files } = await run(
      t,
      driver,
      `const older = open(':memory:')
       load(open(':memory:'))
       older.exec("ATTACH '" + uri('vfs=litestream&write_enabled=true') + "' AS r")
       older.exec('BEGIN IMMEDIATE; INSERT INTO r.t VALUES (4)')
       older.exec('ROLLBACK; BEGIN IMMEDIATE; INSERT INTO r.t VALUES (10); COMMIT')
       print([value(older, 'SELECT sum(n) FROM r.t'), value(older, 'SELECT litestream_txid()')])
       older.exec('DETACH r')
       const replica = await openReplica(process.env.URL)
       older.exec("ATTACH '" + replica.uri + "' AS r")
       print(value(older, 'SELECT sum(n) FROM r.t'))`,
      { URL: url },
    )
    assert.deepEqual(printed, [[16, '0000000000000002'], 16])
    assert.deepEqual(files, [])
  })

  test(`${driver.name}: if the replica of a URI cannot be opened, the URI is refused with the reason, and no file is created`, async (t) => {
    const { url, history } = await makeSource(t)
    await history.commit(SEED)
    const { printed, warnings, files } = await run(
      t,
      driver,
      `const older = open(':memory:')
       load(open(':memory:'))
       const cases = [
         uri('cache_size=1MiB'),
         'file:app.db?mode=rwc&replica_id=1',
         process.cwd() + '/file:app.db?vfs=litestream',
         uri('vfs=litestream&immutable=1'),
         uri('vfs=litestream&cach_size=1MiB'),
         'file:app.db?vfs=litestream&replica_id=77',
       ]
       for (const name of cases) {
         print(attempt(() => older.exec("ATTACH '" + name + "' AS r")))
         print(attempt(() => open(name)))
       }
       await told(10)
       older.exec("ATTACH '" + uri('vfs=litestream') + "' AS r")
       print(value(older, 'SELECT sum(n) FROM r.t'))`,
      { URL: url },
    )
    assert.equal(printed.length, 13)
    // SQLite has its own text for an ATTACH that fails; of a connection, the reason is the error.
    const opened = [
      null,
      /no vfs=litestream/,
      /used as a path/,
      /^unable to open|immutable=1 cannot/,
      /"cach_size"/,
      /is closed/,
    ]
    for (const [i, message] of printed.slice(0, -1).entries()) {
      const reason = i % 2 === 0 ? /^unable to open database/ : (opened[(i - 1) / 2] ?? /no vfs=litestream/)
      assert.match(String(message), reason)
    }
    assert.equal(printed.at(-1), 6)
    const told = warnings.filter((text) => text.startsWith('CONFIG_INVALID'))
    for (const reason of [/has no vfs=litestream/, /used as a path/, /immutable=1 cannot/, /"cach_size"/]) {
      assert.equal(
        told.filter((text) => reason.test(text)).length,
        String(reason).includes('vfs=') ? 4 : 2,
        told.join('\n'),
      )
    }
    assert.deepEqual(files, [])
  })
}

test('if a URI is too long for a connection that was opened before the extension was loaded, the error states the reason, and a new connection accepts it', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const { printed, warnings, files } = await run(
    t,
    DRIVERS[0],
    `const older = open(':memory:')
     load(open(':memory:'))
     // Equal parameters: the last one has effect, so this is one replica under names of any length.
     const long = (size) => uri('vfs=litestream' + '&cache_size=1MiB'.repeat(size))
     const served = [1, 2, 100].map((size) => attempt(() => older.exec("ATTACH '" + long(size) + "' AS r; DETACH r") && 'attached'))
     print(served.slice(0, 2))
     print(served[2])
     print(value(open(long(100)), 'SELECT sum(n) FROM t'))
     await told(1)`,
    { URL: url },
  )
  assert.deepEqual(printed[0], ['attached', 'attached'])
  assert.match(String(printed[1]), /^unable to open database/)
  assert.equal(printed[2], 6)
  assert.match(warnings[0], /^CONFIG_INVALID: the URI of the replica is longer than 504 bytes/)
  assert.equal(warnings.length, 1)
  assert.deepEqual(files, [])
})

test('on a connection that was opened before the extension was loaded, ATTACH of a name that is not a replica URI opens a file', async (t) => {
  const { printed, files } = await run(
    t,
    DRIVERS[0],
    `const older = open(':memory:')
     load(open(':memory:'))
     for (const name of ['file:a.db?mode=rwc', 'file:b.db?vfs=litestreams', 'litestream:c.db', 'd?vfs=litestream&replica_id=1']) {
       older.exec("ATTACH '" + name + "' AS x; CREATE TABLE x.t (n); INSERT INTO x.t VALUES (1)")
       print(value(older, 'SELECT count(*) FROM x.t'))
       older.exec('DETACH x')
     }`,
    {},
  )
  assert.deepEqual(printed, [1, 1, 1, 1])
  assert.deepEqual(files, [
    'd?vfs=litestream&replica_id=1',
    'file:a.db?mode=rwc',
    'file:b.db?vfs=litestreams',
    'litestream:c.db',
  ])
})
