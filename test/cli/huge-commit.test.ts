// A header claims a database of 2^32 - 2 pages, and the file has two pages: every command refuses
// the file, with memory for the pages that exist.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { forgedLtx, pagesOf, putLtx } from '../support/forged-ltx.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const COMMIT = 0xfffffffe
/** A command takes some 80 MB; one byte for each 16 pages of the claim would be 268 MB more. */
const MOST_BYTES = 250 * 1024 * 1024

const MEASURE = 'process.on("exit", () => console.log("peak", process.resourceUsage().maxRSS * 1024))'
const CLI = new URL('../../src/cli/main.js', import.meta.url).pathname

test('no command allocates memory for pages that a file header claims but the file does not contain', (t) => {
  const dir = temporaryDirectory(t)
  const source = path.join(dir, 'source.db')
  const db = new Database(source)
  db.exec('CREATE TABLE t (v); INSERT INTO t VALUES (zeroblob(20000))')
  db.close()
  const pages = pagesOf(readFileSync(source))
  const folder = path.join(dir, 'replica')
  putLtx(folder, 0, 1, 1, forgedLtx({ pages }))
  const file = putLtx(
    folder,
    0,
    2,
    2,
    forgedLtx({ pages: [pages[0]!, [COMMIT, pages[1]![1]]], minTxid: 2n, commit: COMMIT }),
  )
  const url = `file://${folder}`
  const output = path.join(dir, 'output.db')
  copyFileSync(source, path.join(dir, 'applied.db'))
  for (const args of [
    ['query', url, 'SELECT count(*) FROM t'],
    ['restore', '-o', output, url],
    ['hydrate', '-o', output, url],
    ['verify', url],
    ['ltx', 'apply', '-db', path.join(dir, 'applied.db'), file],
  ]) {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', `data:text/javascript,${encodeURIComponent(MEASURE)}`, CLI, ...args],
      { encoding: 'utf8' },
    )
    assert.equal(status, 1, `${args[0]}: ${stdout}${stderr}`)
    assert.match(stdout + stderr, /page \d+ is missing: the database has 4294967294 pages/, args[0])
    const peak = Number(/^peak (\d+)$/m.exec(stdout)?.[1])
    assert.ok(peak < MOST_BYTES, `${args[0]}: ${peak} bytes`)
  }
  assert.equal(existsSync(output), false)
  assert.deepEqual(readFileSync(path.join(dir, 'applied.db')), readFileSync(source))
})
