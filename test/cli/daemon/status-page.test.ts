import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { startBrowser } from '../../support/browser.js'
import { until } from '../../support/until.js'
import { breakReplica } from '../break-replica.js'
import { startDaemon } from './daemon-fixture.js'

test('the status page shows the state of a replicated database, and after a failure also the reason', async (t) => {
  const { dir, file, db, daemon, http, stop } = await startDaemon(t, 'shutdown-sync-timeout: 0s')
  db.exec("INSERT INTO t (v) VALUES ('<b>c</b>')")
  await until('a compaction', () => daemon.stderr().includes('compaction complete'))
  const browser = await startBrowser(t)
  const text = async () => String(await browser.evaluate('document.body.innerText'))
  await browser.open(http, 1000)
  await until('the levels are shown', async () => /Level 1\s+1\s/.test(await text()))
  const healthy = await text()
  for (const expected of [
    /^The database is replicated\n/,
    /app\.db\n.*\nreplicating\n/,
    /You can restore .*\n/,
    /Uploads\n[23] files\n/,
    /Requests\n\d+\n\d+ PUT, \d+ LIST, \d+ GET, \d+ DELETE\n/,
    /0{15}2\nthe replica has this TXID\n/,
  ])
    assert.match(healthy, expected)
  assert.ok(
    healthy.includes(`litestream-ts restore -config ${path.join(dir, 'litestream.yml')} -o ${file}.restored ${file}`),
  )
  const canvases = () => browser.evaluate("document.querySelectorAll('canvas').length")
  await until('the charts are shown', async () => (await canvases()) === 3)

  breakReplica(path.join(dir, 'replica'))
  db.exec("INSERT INTO t (v) VALUES ('stuck')")
  await until('it fails', () => daemon.stderr().includes('upload error'))
  await until('the page says so', async () => /^The database needs attention\n/.test(await text()))
  const [alert] = (await browser.evaluate(
    "[...document.querySelectorAll('.card .alert')].map((e) => e.innerText)",
  )) as string[]
  assert.match(alert!, /^upload .*replica[\s\S]*\nCorrect the path[\s\S]*retried automatically/)
  assert.match(await text(), /RECENT ERRORS[\s\S]*upload writing /)
  assert.deepEqual(
    browser.reports.filter((report) => !report.includes('favicon')),
    [],
  )
  assert.equal(await stop(), 1)
})
