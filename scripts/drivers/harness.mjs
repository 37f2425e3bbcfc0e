// What every driver must be able to do with litestream-ts; each file beside this one does it with
// one driver. It is run in a folder with the packages of the driver, with DIST and WORK set by
// scripts/drivers.mjs, and its last line is "ok".
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'

const { DIST, WORK, NODE } = process.env
const { openReplica } = await import(path.join(DIST, 'index.js'))

/** Rows that are written before and while the primary runs. */
const BEFORE = 100
const MEANWHILE = 50

/**
 * `driver`: what `openReplica` takes. `count(name)`: the number of rows of the table t of a database
 * that the driver opens for reading by its file name or URI. `write(file, rows)`: creates the
 * database in WAL mode if it does not exist, with the table t (x INTEGER PRIMARY KEY), and adds rows
 * in one transaction.
 */
export async function check({ driver, count, write }) {
  const file = path.join(WORK, 'app.db')
  const url = `file://${WORK}/replica`
  await write(file, BEFORE)
  const primary = await startPrimary(file, url)
  await write(file, MEANWHILE)
  primary.kill('SIGTERM')
  assert.deepEqual(await once(primary, 'exit'), [0, null], 'the last sync of the primary')
  const replica = await openReplica(url, driver === undefined ? {} : { driver })
  assert.equal(await count(replica.uri), BEFORE + MEANWHILE)
  const wrong = `file:app.db?vfs=litestream&cach_size=1&replica_url=${encodeURIComponent(url)}`
  await assert.rejects(async () => count(wrong), /cach_size/, "the driver's error has the reason")
  await replica.close()
  console.log('ok')
}

/** `litestream-ts replicate` in a process of its own, after its first upload. */
async function startPrimary(file, url) {
  const args = [path.join(DIST, 'cli/main.js'), 'replicate', file, url]
  const primary = spawn(NODE, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  for await (const text of primary.stderr.setEncoding('utf8')) {
    log += text
    if (log.includes('ltx file uploaded')) break
  }
  assert.match(log, /ltx file uploaded/)
  return primary
}
