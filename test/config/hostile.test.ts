import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { configFromText } from '../../src/config/load.js'
import { isLitestreamError, type LitestreamError } from '../../src/errors.js'

function faultOf(text: string): LitestreamError {
  try {
    configFromText(text, 'litestream.yml')
  } catch (error) {
    assert.ok(isLitestreamError(error, 'CONFIG_INVALID', 'INVALID_ARGUMENT', 'INVALID_URL'), inspect(error))
    assert.ok(error.hint.length > 10, error.message)
    return error
  }
  throw new Error(`accepted: ${text.slice(0, 200)}`)
}

const DB = 'dbs:\n  - path: /a.db\n    replica: { url: "file:///r" }\n'
const bomb = (levels: number) =>
  `a0: &a0 [x, x, x, x, x, x, x, x, x]\n${Array.from({ length: levels }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i}, `.repeat(9)}]`).join('\n')}\n`

test('YAML aliases that expand to billions of values are refused at every position in the file', () => {
  assert.match(faultOf(bomb(12)).message, /aliases \(\*name\) expand to too many values/)
  assert.match(faultOf(`${bomb(12)}dbs: *a12\n`).message, /too many values/)
})

test('a YAML alias that contains itself is an error', () => {
  faultOf('dbs: &a [*a]')
  faultOf('dbs:\n  - &d\n    path: /a.db\n    replica: *d\n')
})

test('a thousand databases may share settings through one YAML alias', () => {
  const shared = 'dbs:\n  - path: /0.db\n    replica: &r { url: "file:///r", sync-interval: 5s }\n'
  const more = Array.from({ length: 1000 }, (_, i) => `  - { path: /${i + 1}.db, replica: *r }\n`).join('')
  assert.equal(configFromText(shared + more, 'f').databases.length, 1001)
  const merged = Array.from(
    { length: 1000 },
    (_, i) => `  - { path: /${i + 1}.db, replica: { <<: *r, sync-interval: 6s } }\n`,
  )
  assert.equal(configFromText(shared + merged.join(''), 'f').databases.at(-1)?.replica.syncInterval, 6000)
})

test('a file that is not a configuration is refused with the position of the fault or a reason', () => {
  for (const text of [
    `dbs: ${'['.repeat(20_000)}`,
    `dbs: ${'[{a: '.repeat(20_000)}`,
    'dbs:\0',
    `dbs:\n  - path: "/a\\0b"\n    replica: { url: "file:///r" }\n`,
    `${DB}exec: "a\\0b"`,
    `${DB}secret-access-key: "a\\0b"`,
    `${DB}addr: !env ADDR`,
    `${DB}---\n${DB}`,
    `${DB}sync-interval: 1s\nsync-interval: 2s`,
    `${DB}addr: {a: b}`,
    `${DB}? [a, b]\n: c`,
    '%YAML 9.9\n---\n*x',
    `${DB}dbs: []`,
    `{"dbs": [{"path": "/a", "path": "/b"}]}`,
    'x'.repeat(5_000_000),
  ]) {
    const { message } = faultOf(text)
    assert.ok(message.length < 400, `${text.slice(0, 100)}: ${message.slice(0, 500)}`)
  }
})

test('a number, size or duration in the configuration is refused if its value is out of range or its spelling is not accepted', () => {
  for (const [key, values] of Object.entries({
    'max-sync-ltx-files': ['-1', '1e3', '0x10', '1.5', '9'.repeat(400), '١٢', 'NaN', 'Infinity', '""', '[1]'],
    concurrency: ['0', '-1', '1001', '1e2', '9'.repeat(400)],
    'part-size': ['4MiB', '6GiB', '-5MiB', '1e400', '9'.repeat(400), '0x500000', '٥MiB'],
    'sync-interval': ['0', '-1s', '1e3s', `${'9'.repeat(400)}h`, '9'.repeat(400), '300000h1000000000h', '1 s', '∞'],
    timeout: ['0s', '-1s'],
    'max-reconnects': ['-2', '1.0'],
  })) {
    for (const value of values) {
      const { message } = faultOf(`${DB}${key}: ${value}`)
      assert.ok(message.includes(key), `${key}: ${value}: ${message}`)
    }
  }
})

const HUSH = 'huSh7'

test('a configuration error does not quote the text around the error, because this text may contain a secret', () => {
  for (const line of [
    `secret-access-key: *${HUSH}`,
    `secret-access-key: @${HUSH}`,
    `secret-access-key: !${HUSH} x`,
    `secret-access-key: 'x' ${HUSH}`,
    `secret-access-key: "x\\${HUSH}"`,
    `secret-access-key: a: ${HUSH}`,
    `secret-access-key: "${HUSH}`,
    `secret-access-key: ${HUSH}]\n]`,
    `secret-access-key: [${HUSH}]`,
    `secret-access-key: {${HUSH}: x}`,
    `secret-access-key: ${HUSH}\n  ${HUSH}: x`,
    `secret-access-key: &a ${HUSH}\nsecret-access-key: *a`,
    `%${HUSH}\n---\nx: y`,
  ]) {
    const error = faultOf(`${DB}${line}`)
    const shown = `${error.message}${error.hint}${inspect(error, { depth: 9, showHidden: true })}${JSON.stringify(error)}`
    assert.ok(!shown.includes(HUSH), `${line}: ${shown}`)
  }
})

test('a configuration error does not quote the value of an environment variable whose name indicates a secret', () => {
  process.env.TEST_DB_PASSWORD = HUSH
  try {
    for (const key of ['sync-interval', 'part-size', 'verify-compaction', 'addr', 'heartbeat-url']) {
      const error = faultOf(`${DB}${key}: $TEST_DB_PASSWORD`)
      assert.ok(!inspect(error).includes(HUSH), `${key}: ${inspect(error)}`)
    }
  } finally {
    delete process.env.TEST_DB_PASSWORD
  }
})

test('an unset environment variable causes a warning with its line, and the error for the missing value names the variable', () => {
  const { warnings } = configFromText(
    `# $NOT_SET_A\n${DB}secret-access-key: $NOT_SET_B\nexec: \${NOT_SET_C:-x}\n`,
    'f.yml',
  )
  assert.equal(warnings.length, 2)
  assert.match(warnings[0]!, /^f\.yml:5: environment variable NOT_SET_B is not set/)
  assert.match(warnings[1]!, /^f\.yml:6: .*\$\{NAME:-default\} is not supported$/)
  for (const [text, message] of [
    ['dbs:\n  - path: $NOT_SET_D\n    replica: { url: "file:///r" }\n', /must specify either 'path' or 'dir'/],
    ['dbs:\n  - path: /a.db\n    replica: { url: $NOT_SET_D }\n', /path required for file replica/],
    ['dbs:\n  - path: /a.db\n    replica: { type: s3, bucket: $NOT_SET_D }\n', /bucket required for s3 replica/],
  ] as const) {
    const error = faultOf(text)
    assert.match(error.message, message)
    assert.match(error.hint, /litestream\.yml:\d: environment variable NOT_SET_D is not set/)
  }
})

test('an empty configuration value counts as absent, as in Litestream', () => {
  const config = configFromText(
    `exec: ""\nheartbeat-url: ""\naddr: ""\n${DB}access-key-id: ""\nsecret-access-key: ""\nendpoint: ""\n`,
    'f',
  )
  assert.deepEqual([config.exec, config.heartbeat, config.addr], [undefined, undefined, undefined])
  assert.equal(config.databases[0]!.replica.settings['secret-access-key'], undefined)
})
