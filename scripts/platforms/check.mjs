// What every platform must be able to do; scripts/platforms.mjs runs it with a Node.js of the
// platform, in the folder of an application that has installed the package. Arguments: the SQLite
// driver, the URL of a replica in S3, the file of the result. It writes one line of JSON to that
// file and not to its output, which does not exist for Node.js under Wine.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { openReplica, replicate, restore, verifyReplica } from 'litestream-ts'

const [driver, s3, result] = process.argv.slice(2)
const require = createRequire(import.meta.url)

const open =
  driver === 'node:sqlite'
    ? (file, readOnly) => new (require('node:sqlite').DatabaseSync)(file, { readOnly })
    : (file, readonly) => new (require('better-sqlite3'))(file, { readonly })

const countOf = (name) => {
  const db = open(name, true)
  const { rows } = db.prepare('SELECT count(*) AS rows FROM t').get()
  db.close()
  return rows
}

/** Rows that are written before and while the primary runs. */
const BEFORE = 2000
const MEANWHILE = 50

async function roundTrip(url, name) {
  const file = path.resolve(`${name}.db`)
  const db = open(file, false)
  db.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x INTEGER PRIMARY KEY, v TEXT)')
  const add = (rows) => {
    db.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
      INSERT INTO t (v) SELECT hex(randomblob(100)) FROM n`)
  }
  add(BEFORE)
  const replication = await replicate(file, url, { driver })
  await replication.sync({ wait: true })
  add(MEANWHILE)
  await replication.sync({ wait: true })
  await replication.close()
  db.close()

  const writer = await openReplica(url, { write: true })
  const remote = open(writer.uri, false)
  remote.exec("INSERT INTO t (v) VALUES ('written in the replica')")
  remote.close()
  await writer.close()

  const replica = await openReplica(url, { hydrate: true })
  assert.equal(countOf(replica.uri), BEFORE + MEANWHILE + 1)
  await replica.close()

  const report = await verifyReplica(url)
  assert.deepEqual(report.faults, [])
  const restored = path.resolve(`${name}-restored.db`)
  await restore(url, { output: restored })
  assert.equal(countOf(restored), BEFORE + MEANWHILE + 1)
  for (const made of [file, restored]) for (const suffix of ['', '-wal', '-shm']) rmSync(made + suffix, { force: true })
}

const done = []
let error
try {
  await roundTrip(pathToFileURL(path.resolve('replica')).href, 'folder')
  done.push('folder')
  await roundTrip(s3, 's3')
  done.push('s3')
} catch (thrown) {
  error = String(thrown.stack ?? thrown)
}
const { version, platform, arch } = process
const addon = Object.keys(require.cache).find((file) => file.endsWith('.node') && file.includes('litestream-ts'))
const found = addon && path.basename(addon)
writeFileSync(result, JSON.stringify({ version, platform, arch, addon: found, done, error }))
