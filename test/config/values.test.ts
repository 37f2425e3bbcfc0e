import assert from 'node:assert/strict'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { expandEnv } from '../../src/config/expand-env.js'
import { expandPath } from '../../src/config/expand-path.js'
import { configFromText } from '../../src/config/load.js'
import { splitAddress } from '../../src/util/address.js'
import { formatDuration, parseDuration, tryParseDuration } from '../../src/util/duration.js'
import { formatBytes } from '../../src/util/format-bytes.js'
import { globToRegExp } from '../../src/util/glob.js'
import { nearest } from '../../src/util/nearest.js'

test('durations are parsed as in Go’s time package', () => {
  const table: Record<string, number> = {
    '0': 0,
    '300ms': 300,
    '1s': 1000,
    '1.5h': 5_400_000,
    '1h30m': 5_400_000,
    '-2m': -120_000,
    '+1s': 1000,
    '2h45m30.5s': 9_930_500,
    '1us': 0.001,
    '1µs': 0.001,
    '1000000ns': 1,
    '.5s': 500,
  }
  for (const [text, ms] of Object.entries(table)) assert.ok(Math.abs(parseDuration(text) - ms) < 1e-9, text)
  for (const text of ['', '1', 's', '1 s', '1d', '1h 30m', 'h1', '--1s', '1s-'])
    assert.equal(tryParseDuration(text), undefined, text)
  assert.throws(() => parseDuration('soon', 'interval'), {
    code: 'INVALID_ARGUMENT',
    message: 'invalid interval: "soon"',
  })
})

test('parsing a formatted duration returns the original value', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1e10, max: 1e10 }), (ms) => {
      assert.equal(parseDuration(formatDuration(ms)), ms)
    }),
  )
  assert.deepEqual([0, 500, 60_000, 5_400_000, 86_400_000, 1500].map(formatDuration), [
    '0s',
    '500ms',
    '1m',
    '1h30m',
    '24h',
    '1.5s',
  ])
})

test('environment variables in the configuration are expanded as in Go’s os.Expand', () => {
  const env = { A: 'x', B_2: 'y' }
  const expand = (text: string) => expandEnv(text, env)
  assert.deepEqual(expand(`$A-$\{B_2}-$PID`), { text: `x-y-${process.pid}`, unset: [] })
  assert.deepEqual(expand('a: $MISSING'), { text: 'a: ', unset: [{ name: 'MISSING', line: 1 }] })
  assert.deepEqual(expand('# $MISSING'), { text: '# ', unset: [] })
  assert.deepEqual(expand('100% $ sure $.'), { text: '100% $ sure $.', unset: [] })
})

test('relative paths in the configuration are made absolute', () => {
  assert.equal(expandPath('~/a.db'), path.join(os.homedir(), 'a.db'))
  assert.equal(expandPath('sqlite:///var/a.db'), '/var/a.db')
  assert.equal(expandPath('sqlite3://rel.db'), path.resolve('rel.db'))
  assert.throws(() => expandPath('~bob/a.db'), { code: 'INVALID_ARGUMENT' })
})

test('an address in the configuration must have a port', () => {
  assert.deepEqual(splitAddress(':9090'), { host: '', port: 9090 })
  assert.deepEqual(splitAddress('127.0.0.1:1'), { host: '127.0.0.1', port: 1 })
  assert.deepEqual(splitAddress('[::1]:80'), { host: '::1', port: 80 })
  for (const wrong of ['localhost', '9090', '::1:80', 'a:99999', '[x]:1'])
    assert.equal(splitAddress(wrong), undefined, wrong)
})

test('a glob matches the same names as Go’s filepath.Match', () => {
  const matches = (glob: string, name: string) => globToRegExp(glob).test(name)
  assert.ok(
    matches('*.db', 'a.db') && matches('?[a-c].db', 'xb.db') && matches('[^x]*', 'abc') && matches('a\\*b', 'a*b'),
  )
  assert.ok(
    !matches('*.db', 'a.db-wal') && !matches('a.b', 'axb') && !matches('[^x]*', 'xbc') && !matches('a\\*b', 'aXb'),
  )
})

test('the error for a misspelled key suggests the most similar key, if a similar key exists', () => {
  const keys = ['access-key-id', 'secret-access-key', 'sync-interval', 'path']
  assert.equal(nearest('acces-key-id', keys), 'access-key-id')
  assert.equal(nearest('access_key_id', keys), 'access-key-id')
  assert.equal(nearest('syncInterval', keys), 'sync-interval')
  assert.equal(nearest('pahth', keys), 'path')
  assert.equal(nearest('compression', keys), undefined)
})

test('file sizes are printed with a unit', () => {
  assert.deepEqual([0, 1023, 1536, 10 * 2 ** 20, 3.21 * 2 ** 30].map(formatBytes), [
    '0 B',
    '1023 B',
    '1.5 KiB',
    '10 MiB',
    '3.2 GiB',
  ])
})

test('busy-timeout must be a whole number of milliseconds of at most 2^31-1', () => {
  const read = (value: string) =>
    configFromText(`dbs: [{ path: /a.db, busy-timeout: ${value}, replica: { path: /r } }]`, 'litestream.yml')
      .databases[0]!.busyTimeout
  assert.deepEqual(['0', '500us', '1.5ms', '2147483647ms'].map(read), [0, 1, 2, 2 ** 31 - 1])
  for (const value of ['2147483648ms', '999h'])
    assert.throws(() => read(value), { code: 'CONFIG_INVALID', message: /busy-timeout must be at most/ })
})
