import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runScript } from '../support/child.js'
import { makeSource } from '../support/replica.js'

const SEED = 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t (v) VALUES (1), (2), (3);'

test('a process with an open replica, an open connection and an open statement can exit', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const child = runScript(
    t,
    `const { openReplica } = await import(src + '/index.js')
     const { default: Database } = await import('better-sqlite3')
     const replica = await openReplica(process.env.URL)
     const db = new Database(replica.uri, { readonly: true })
     const rows = db.prepare('SELECT id FROM t').iterate()
     rows.next()
     console.log('read')`,
    { URL: url },
  )
  assert.deepEqual([await child.ended, child.output(), child.errors()], [0, 'read\n', ''])
})

test('process.exit() during replica operations ends the process with its exit status and without an error', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const child = runScript(
    t,
    `const { openReplica } = await import(src + '/index.js')
     const { default: Database } = await import('better-sqlite3')
     const replica = await openReplica(process.env.URL, { hydrate: process.env.COPY, pollInterval: 5 })
     const db = new Database(replica.uri, { readonly: true })
     db.prepare('SELECT * FROM t').all()
     void replica.refresh()
     process.exit(7)`,
    { URL: url, COPY: `${url.slice(7)}.copy` },
  )
  assert.deepEqual([await child.ended, child.errors()], [7, ''])
})

test('a plain connection to the replica of LITESTREAM_REPLICA_URL does not keep the process alive, even if the connection is never closed', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const child = runScript(
    t,
    `const { load } = await import(src + '/index.js')
     const { default: Database } = await import('better-sqlite3')
     load(new Database(':memory:'))
     const db = new Database('file:app.db?vfs=litestream', { readonly: true })
     console.log(db.prepare('SELECT count(*) FROM t').pluck().get())`,
    { LITESTREAM_REPLICA_URL: url },
  )
  assert.deepEqual([await child.ended, child.output(), child.errors()], [0, '3\n', ''])
})

test("a read and an opening on the replica worker's own thread are refused immediately", async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const child = runScript(
    t,
    `const { native, addonPath } = await import(src + '/native/addon.js')
     const { default: Database } = await import('better-sqlite3')
     new Database(':memory:').loadExtension(addonPath())
     native.attachWorker(() => {})
     try {
       new Database('file:app.db?vfs=litestream&replica_url=' + encodeURIComponent(process.env.URL))
     } catch (error) {
       console.log(error.code)
     }
     process.exit()`,
    { URL: url },
  )
  assert.deepEqual([await child.ended, child.output(), child.errors()], [0, 'SQLITE_CANTOPEN\n', ''])
})
