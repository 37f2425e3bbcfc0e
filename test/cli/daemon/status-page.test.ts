import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { before, test } from 'node:test'
import { promisify } from 'node:util'
import { ensureInstalled } from '../../support/servers/packages.js'
import { until } from '../../support/until.js'
import { breakReplica } from '../break-replica.js'
import { startDaemon } from './daemon-fixture.js'

before(() => ensureInstalled(['chromium'], 'put a chromium into the PATH'))

/**
 * The page as a browser shows it after its scripts have run, and what they wrote to the console.
 */
async function render(dir: string, url: string, ...more: string[]) {
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--enable-logging=stderr',
    '--v=0',
    '--virtual-time-budget=2500',
  ]
  const profile = `--user-data-dir=${path.join(dir, 'profile')}`
  const { stdout, stderr } = await promisify(execFile)('chromium', [...flags, profile, ...more, url], {
    timeout: 60_000,
  })
  return { dom: stdout, console: stderr.split('\n').filter((line) => line.includes('CONSOLE')) }
}

test('the status page shows databases, lag and levels in a browser', async (t) => {
  const { dir, file, db, daemon, http, stop } = await startDaemon(t)
  db.exec("INSERT INTO t (v) VALUES ('<b>c</b>')")
  await until('a compaction', () => daemon.stderr().includes('compaction complete'))
  const { dom, console } = await render(dir, `${http}/`, '--dump-dom')
  assert.deepEqual(console, [])
  assert.ok(dom.includes(`<h2>${file}</h2>`), dom)
  assert.match(dom, /class="state ok">replicating</)
  assert.match(dom, /Replica TXID<\/dt><dd>0{15}2</)
  assert.match(dom, /aria-label="Files of each level; restorable from /)
  assert.ok((dom.match(/class="file"/g)?.length ?? 0) >= 2, 'a bar for each file')
  const screenshot = path.join(dir, 'page.png')
  await render(dir, `${http}/`, `--screenshot=${screenshot}`, '--window-size=1000,900')
  assert.ok(readFileSync(screenshot).length > 10_000, 'not an empty picture')
  assert.equal(await stop(), 0)
})

test('the status page shows the error of a failing database as text, without markup', async (t) => {
  const { dir, db, daemon, http, stop } = await startDaemon(t, 'shutdown-sync-timeout: 0s')
  breakReplica(path.join(dir, 'replica'))
  db.exec("INSERT INTO t (v) VALUES ('stuck')")
  await until('it fails', () => daemon.stderr().includes('upload error'))
  const { dom, console } = await render(dir, `${http}/`, '--dump-dom')
  assert.deepEqual(console, [])
  assert.match(dom, /class="error" role="alert">[^<]*replica/)
  assert.equal(await stop(), 1)
})
