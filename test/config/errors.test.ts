import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configFromText } from '../../src/config/load.js'
import { isLitestreamError } from '../../src/errors.js'

/**
 * A database entry with everything it needs, on two lines, so that a third begins what a case adds.
 */
const DB = 'dbs:\n  - path: /a.db\n    replica: { url: "file:///r" }\n'
const REPLICA = (rest: string) => `dbs:\n  - path: /a.db\n    replica:\n${rest.replace(/^/gm, '      ')}`

/**
 * What is wrong in the file, the place it is reported at, its message, and what the hint must say.
 */
const CASES: readonly (readonly [text: string, place: string, message: string, hint?: RegExp])[] = [
  // the shape
  ['dbs:\n  - pth: /a.db', '2:5', 'unknown key `pth` in dbs[0]', /Did you mean `path`/],
  [REPLICA('url: s3://b/p\nacces-key-id: x'), '5:7', 'unknown key `acces-key-id` in dbs[0].replica', /`access-key-id`/],
  ['adr: ":9090"', '1:1', 'unknown key `adr` at the top of the file', /`addr`/],
  ['dbs:\n  - path: /a.db\n    exec: x', '3:5', 'unknown key `exec` in dbs[0]', /./],
  [
    `${DB}sync-interval: soon`,
    '4:16',
    'sync-interval: expected a duration such as 500ms, 10s, 5m or 1h30m, got "soon"',
  ],
  [`${DB}verify-compaction: maybe`, '4:20', 'verify-compaction: expected true or false, got "maybe"'],
  [
    REPLICA('url: s3://b/p\npart-size: big'),
    '5:18',
    'dbs[0].replica.part-size: expected a size such as 5MB or 64MiB from 4.8 MiB to 5 GiB, got "big"',
  ],
  [
    `${DB}retention: 24h`,
    '4:12',
    'retention: expected a section with `enabled` (a duration belongs in `snapshot.retention`)',
  ],
  [`${DB}logging: { type: xml }`, '4:18', 'logging.type: expected text, json, pretty, got "xml"'],
  [
    `${DB}socket: { permissions: 999 }`,
    '4:24',
    'socket.permissions: expected an octal file mode such as 0600, got "999"',
  ],
  [`${DB}levels: [${'{ interval: 1s },'.repeat(9)}]`, '4:9', 'levels: at most 8 compaction levels can be configured'],
  ['dbs:\n\t- path: x', '2:1', 'Tabs are not allowed as indentation', /indentation/],
  ['dbs: [', '1:7', 'a bracket or brace is not closed', /indentation/],
  ['path: a\npath: b', '2:1', 'Map keys must be unique'],
  ['dbs: []\n---\ndbs: []', '2:1', 'a second document begins'],
  ['- a', '', 'expected a file of `key: value` lines'],
  // Litestream's own errors
  ['addr: localhost', '1:7', 'must specify port for bind address: "localhost"'],
  [`${DB}levels:\n  - interval: 0s`, '5:15', 'levels[0].interval: compaction interval must be greater than 0 (got 0s)'],
  [`${DB}levels:\n  - {}`, '5:5', 'levels[0].interval: compaction interval required'],
  [`${DB}snapshot: { interval: 0 }`, '4:23', 'snapshot.interval: snapshot interval must be greater than 0 (got 0s)'],
  [
    `${DB}snapshot: { retention: -1h }`,
    '4:24',
    'snapshot.retention: snapshot retention must be greater than 0 (got -1h)',
  ],
  [
    `${DB}validation: { interval: -1s }`,
    '4:25',
    'validation.interval: validation interval must be greater than 0 (got -1s)',
  ],
  [`${DB}l0-retention: -1s`, '4:15', 'l0-retention: l0 retention must not be negative (got -1s)'],
  [
    `${DB}l0-retention-check-interval: 0s`,
    '4:30',
    'l0-retention-check-interval: l0 retention check interval must be greater than 0',
  ],
  [`${DB}heartbeat-url: ftp://x`, '4:16', 'heartbeat URL must be a valid HTTP or HTTPS URL (got "ftp://x")'],
  [`${DB}heartbeat-interval: 59s`, '4:21', 'heartbeat interval must be at least 1 minute (got 59s)'],
  [`${DB}shutdown-sync-timeout: -1s`, '4:24', 'shutdown-sync-timeout: shutdown sync timeout must not be negative'],
  [`${DB}exec-stop-timeout: 0s`, '4:20', 'exec-stop-timeout: exec stop timeout must be greater than 0'],
  [`${DB}shutdown-sync-interval: 0s`, '4:25', 'shutdown-sync-interval: shutdown sync interval must be greater than 0'],
  ['dbs:\n  - path: /a\n    dir: /b', '2:5', "database config #1: cannot specify both 'path' and 'dir'"],
  ['dbs:\n  - meta-path: /b', '2:5', "database config #1: must specify either 'path' or 'dir'"],
  [
    'dbs:\n  - dir: /b\n    replica: { url: "file:///r" }',
    '2:5',
    "'pattern' is required when using 'dir'",
    /pattern: "\*\.db"/,
  ],
  [`${DB}    watch: true`, '4:12', "'watch' can only be enabled with a directory"],
  [`${DB}    meta-dir: /m`, '4:15', "'meta-dir' can only be used with 'dir'", /meta-path/],
  [
    'dbs:\n  - dir: /b\n    pattern: "*"\n    meta-dir: /m\n    meta-path: /n',
    '4:15',
    "cannot specify both 'meta-path' and 'meta-dir'",
  ],
  ['dbs:\n  - path: /a.db', '2:5', 'must specify replica for database', /url/],
  [`${DB}    replicas: [{ url: "file:///q" }]`, '4:15', "cannot specify 'replica' and 'replicas' on a database"],
  [
    'dbs:\n  - path: /a.db\n    replicas:\n      - url: file:///r\n      - url: file:///q',
    '5:9',
    'multiple replicas on a single database are no longer supported',
    /one replica under `replica:`/,
  ],
  [
    REPLICA('url: file:///r\nsync-interval: 0s'),
    '5:22',
    'dbs[0].replica.sync-interval: sync interval must be greater than 0 (got 0s)',
  ],
  [`${DB}    min-checkpoint-page-count: 0`, '4:32', 'min-checkpoint-page-count must be greater than 0 (got 0)'],
  [`${DB}    monitor-interval: -1s`, '4:23', 'monitor-interval must be 0 or more (got -1s)'],
  [REPLICA('url: file:///r\nage: { recipients: [x] }'), '5:12', 'age encryption is not currently supported', /age/],
  [
    REPLICA('path: s3://b/p'),
    '4:13',
    "replica path cannot be a url, please use the 'url' field instead",
    /url: s3:\/\/b\/p/,
  ],
  [REPLICA('url: s3://b/p\npath: q'), '5:13', 'cannot specify url & path for s3 replica'],
  [REPLICA('url: s3://b/p\nbucket: q'), '5:15', 'cannot specify url & bucket for s3 replica'],
  [REPLICA('url: sftp://h/p\nhost: q'), '5:13', 'cannot specify url & host for sftp replica'],
  [REPLICA('url: webdav://h/p\nwebdav-url: http://q'), '5:19', 'cannot specify url & webdav-url for webdav replica'],
  [REPLICA('type: s3\npath: p'), '4:7', 'bucket required for s3 replica'],
  [REPLICA('type: file'), '4:7', 'path required for file replica'],
  [REPLICA('type: floppy\npath: p'), '4:13', 'unknown replica type in config: "floppy"', /file, s3/],
  [REPLICA('url: floppy://a'), '4:12', 'unknown replica type in config: "floppy"'],
  [`${DB}  - path: /a.db\n    replica: { url: "file:///q" }`, '4:11', '/a.db is already database config #1'],
  [
    'dbs:\n  - path: /a\n    snapshot: { interval: 1h }\n    replica: { path: /r }\n  - path: /b\n    snapshot: { interval: 2h }\n    replica: { path: /q }',
    '6:27',
    'conflicting database snapshot.interval values: 1h and 2h',
    /once, at the top/,
  ],
]

for (const [text, place, message, hint] of CASES) {
  test(`a configuration of ${text.split('\n').length} lines is refused with the error: ${message}`, () => {
    assert.throws(
      () => configFromText(text, 'litestream.yml'),
      (error) => {
        assert.ok(isLitestreamError(error, 'CONFIG_INVALID'), String(error))
        const expected = `litestream.yml${place ? `:${place}` : ''}: `
        assert.ok(error.message.startsWith(expected), `${error.message} should begin with ${expected}`)
        assert.ok(error.message.includes(message), `${error.message} should include ${message}`)
        assert.equal(error.file, 'litestream.yml')
        if (hint) assert.match(error.hint ?? '', hint)
        return true
      },
    )
  })
}

test('the error for a missing or unreadable configuration file says which flag, variable or default gave the path', async () => {
  const { loadConfig } = await import('../../src/config/load.js')
  assert.throws(() => loadConfig({ path: '/nowhere/litestream.yml' }), {
    code: 'NOT_FOUND',
    message: 'config file not found: /nowhere/litestream.yml',
    hint: /-config/,
  })
  assert.throws(() => loadConfig({ path: '/' }), { code: 'CONFIG_INVALID', message: '/ is a directory' })
})
