import assert from 'node:assert/strict'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { connect, makeSource, openTestReplica, value } from '../support/replica.js'
import { until } from '../support/until.js'

test('a connection with immutable or nolock is refused with the reason: without locks, SQLite would read without a fixed TXID', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit('CREATE TABLE t (n); INSERT INTO t VALUES (1)')
  const replica = await openTestReplica(t, url)
  const warnings: Error[] = []
  process.on('warning', (warning) => warnings.push(warning))
  for (const parameter of ['immutable=1', 'nolock=1', 'nolock=yes']) {
    assert.throws(() => new Database(`${replica.uri}&${parameter}`), { code: 'SQLITE_CANTOPEN' })
    const { code, message } = (await until('it is told why', () => warnings.shift())) as NodeJS.ErrnoException
    assert.equal(code, 'CONFIG_INVALID')
    assert.match(message, new RegExp(`${parameter} cannot be used with a replica`))
  }
  assert.equal(value(connect(t, `${replica.uri}&immutable=0&nolock=0`), 'SELECT n FROM t'), 1)
})
