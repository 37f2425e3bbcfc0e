import assert from 'node:assert/strict'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { formatFileName } from '../../src/ltx/file-name.js'
import { native } from '../../src/native/addon.js'
import { READ_AHEAD_KINDS } from '../../src/native/read-ahead.js'
import { openReplica } from '../../src/replica/handle/open-replica.js'
import { PARAMETERS, withEnvironment } from '../../src/replica/options.js'
import { connect, damageFrame, makeSource, openTestReplica, value } from '../support/replica.js'
import { until } from '../support/until.js'

const rows = (n: number) => `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${n})
    INSERT INTO t SELECT i, hex(randomblob(200)) FROM n;`

test('for a replica without files, openReplica waits for open_timeout and then fails', async (t) => {
  const { url } = await makeSource(t)
  await assert.rejects(openReplica(url, { openTimeout: 100, pollInterval: 20 }), {
    code: 'REPLICA_EMPTY',
    message: /no backup files found \(waited \d+ ms\)/,
    hint: /Start the primary/,
  })
})

test('openReplica succeeds if the first file of a replica arrives during the call', async (t) => {
  const { url, history } = await makeSource(t)
  const opening = openTestReplica(t, url)
  await history.commit(rows(10))
  const db = connect(t, (await opening).uri)
  assert.equal(value(db, 'SELECT count(*) FROM t'), 10)
})

test('an AbortSignal ends openReplica before the replica is open', async (t) => {
  const { url } = await makeSource(t)
  const controller = new AbortController()
  const opening = openReplica(url, { openTimeout: 600_000, signal: controller.signal })
  controller.abort(new Error('enough'))
  await assert.rejects(opening, { message: 'enough' })
})

test('a plain connection waits in xOpen, and if xOpen fails, the warning names the reason', async (t) => {
  const { url } = await makeSource(t)
  const { load } = await import('../../src/replica/handle/loadable.js')
  load(new Database(':memory:'))
  let warning: Error | undefined
  process.once('warning', (error) => {
    warning = error
  })
  const uri = `file:x?vfs=litestream&open_timeout=100ms&poll_interval=20ms&replica_url=${encodeURIComponent(url)}`
  assert.throws(() => new Database(uri), { code: 'SQLITE_CANTOPEN' })
  assert.match((await until('a warning', () => warning)).message, /no backup files found \(waited \d+ ms\)/)
})

test('openReplica refuses an invalid replica URL', async () => {
  await assert.rejects(openReplica('ftp://host/app.db'), { code: 'INVALID_URL', message: /ftp/ })
  await assert.rejects(openReplica('app.db'), { code: 'INVALID_URL' })
})

test('openReplica refuses invalid options', async (t) => {
  const { url } = await makeSource(t)
  await assert.rejects(openReplica(url, { cacheSize: '12 parsecs' }), {
    code: 'INVALID_ARGUMENT',
    message: /cacheSize/,
  })
  await assert.rejects(openReplica(url, { pollInterval: 0 }), { code: 'INVALID_ARGUMENT', message: /pollInterval/ })
  await assert.rejects(openReplica(url, { concurrency: -1 }), { code: 'INVALID_ARGUMENT', message: /concurrency/ })
})

test('a truncated LTX file is reported as LTX_CORRUPT with the file and the offset, and the replica opens after the file is repaired', async (t) => {
  const { url, files, history } = await makeSource(t)
  const info = await history.commit(rows(3000))
  const name = path.join(files, 'ltx', '0', formatFileName(1, 1))
  const good = readFileSync(name)
  for (const size of [info.size - 1, info.size - 20, 50_000, 99]) {
    truncateSync(name, size)
    await assert.rejects(openReplica(url), (error: Error & { code: string; file?: string }) => {
      assert.equal(error.code, 'LTX_CORRUPT')
      assert.match(error.message, /level 0 0000000000000001-0000000000000001\.ltx/)
      return true
    })
    writeFileSync(name, good)
  }
  const db = connect(t, (await openTestReplica(t, url)).uri)
  assert.equal(value(db, 'SELECT count(*) FROM t'), 3000)
})

test('if a page is damaged, only reads that need this page fail, and the error states the reason', async (t) => {
  const source = await makeSource(t)
  const { url, history } = source
  await damageFrame(source, await history.commit(rows(3000)), 100)
  const replica = await openTestReplica(t, url)
  const db = connect(t, replica.uri)
  assert.throws(() => value(db, 'SELECT sum(length(v)) FROM t'), { code: 'SQLITE_IOERR_READ' })
  assert.match(
    String(value(db, 'SELECT litestream_error()')),
    /LTX_CORRUPT: .* level 0 0000000000000001-0000000000000001\.ltx/,
  )
  assert.equal(value(db, 'SELECT id FROM t WHERE id = 1'), 1)
})

test('for a plain URI, environment variables can set every parameter of openReplica', () => {
  // The opening of the store reads the environment for the keys of an encrypted replica.
  const ours = PARAMETERS.filter((parameter) => !parameter.startsWith('age_'))
  const { readerParameters, aheadKinds } = native.constants
  assert.deepEqual(readerParameters.map(({ name }) => name).sort(), [...ours].sort())
  for (const { name, needs } of readerParameters) {
    const set = withEnvironment({}, { [`LITESTREAM_${name.toUpperCase()}`]: 'x' })
    assert.deepEqual(set, needs === undefined ? { [name]: 'x' } : {}, name)
  }
  assert.deepEqual(aheadKinds, READ_AHEAD_KINDS)
})
