import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { findDatabases } from '../../src/config/directories.js'
import { exampleConfig } from '../../src/config/example.js'
import { configFromArguments } from '../../src/config/from-arguments.js'
import { describedSchema, type JsonSchema } from '../../src/config/json-schema.js'
import { configFromText } from '../../src/config/load.js'
import { clientOptions } from '../../src/config/open-configured-replica.js'
import { effectiveConfig, effectiveYaml } from '../../src/config/print.js'
import { reveal } from '../../src/util/secret.js'

const read = (text: string) => configFromText(text, 'litestream.yml')

test('a Litestream configuration file works unchanged', () => {
  process.env.TEST_CONFIG_SECRET = 'hush: "#1"'
  const config = read(`
# AWS credentials
access-key-id: AKIAxxxxxxxxxxxxxxxx
secret-access-key: '$TEST_CONFIG_SECRET'
addr: ":9090"
exec: "myapp -port 8080"
socket:
  enabled: yes
  permissions: 0660
levels:
  - interval: 10s
  - interval: 1m
snapshot: { interval: 1h, retention: 72h }
l0-retention: 0
heartbeat-url: https://example.com/ping
logging: { level: WARN, type: json, stderr: true }
sync-interval: 10s
dbs:
  - path: sqlite:///var/lib/db1
    monitor-interval: 500000000
    truncate-page-n: 0
    max-sync-wal-bytes: 1MB
    replica:
      type: s3
      bucket: mybkt.litestream.io
      path: db1
      region: us-east-1
      sync-interval: 1m
      force-path-style: on
  - path: ~/db2
    replicas:
      - url: s3://mybkt.litestream.io/db2
`)
  delete process.env.TEST_CONFIG_SECRET
  assert.equal(config.addr, ':9090')
  assert.equal(config.exec!.reveal(), 'myapp -port 8080')
  assert.deepEqual(config.socket, { enabled: true, path: '/var/run/litestream.sock', permissions: 0o660 })
  assert.deepEqual(config.levels, [
    { level: 1, interval: 10_000 },
    { level: 2, interval: 60_000 },
  ])
  assert.deepEqual(config.snapshot, { interval: 3_600_000, retention: 259_200_000 })
  assert.deepEqual([config.l0Retention, config.l0RetentionCheckInterval], [0, 15_000])
  assert.deepEqual([config.heartbeat!.url.reveal(), config.heartbeat!.interval], ['https://example.com/ping', 300_000])
  assert.deepEqual(config.logging, { level: 'warn', type: 'json', stderr: true, source: false })
  const [one, two] = config.databases
  assert.equal(one!.path, '/var/lib/db1')
  assert.deepEqual([one!.monitorInterval, one!.truncatePageN, one!.maxSyncWalBytes], [500, 121_359, 1_000_000])
  assert.equal(one!.replica.url.reveal(), 's3://mybkt.litestream.io/db1')
  assert.equal(one!.replica.syncInterval, 60_000)
  const { secretAccessKey, ...s3 } = clientOptions(one!.replica).s3!
  assert.deepEqual(s3, { region: 'us-east-1', accessKeyId: 'AKIAxxxxxxxxxxxxxxxx', forcePathStyle: true })
  assert.equal(reveal(secretAccessKey), 'hush: "#1"')
  assert.equal(two!.path, path.join(os.homedir(), 'db2'))
  assert.equal(two!.replica.url.reveal(), 's3://mybkt.litestream.io/db2')
  assert.equal(two!.replica.syncInterval, 10_000)
  assert.equal(config.warnings.length, 1)
  assert.match(
    config.warnings[0]!,
    /^litestream\.yml:\d+:7: the 'replicas' list .* 0\.3; write instead:\n {2}- path: ~\/db2\n {4}replica:\n {6}url: s3:\/\/mybkt/,
  )
})

test('the configuration keys of Litestream 0.3 are accepted, with a warning that shows the current keys', () => {
  const config = read(`
dbs:
  - path: /a
    max-checkpoint-page-count: 5
    replicas:
      - path: /r
        retention: 72h
        snapshot-interval: 4h
        retention-check-interval: 1h
  - path: /b
    replica: { path: /q, retention: 24h }
`)
  assert.deepEqual(config.snapshot, { interval: 4 * 3_600_000, retention: 72 * 3_600_000 })
  const text = config.warnings.join('\n')
  for (const part of [
    'snapshot:\n    interval: 4h',
    'snapshot:\n    retention: 72h',
    'write truncate-page-n instead',
    'retention-check-interval has no effect',
  ]) {
    assert.ok(text.includes(part), part)
  }
  assert.match(text, /litestream\.yml:7:20: retention belongs to the whole process/)
})

test('an empty configuration file gives the default configuration', () => {
  const config = read('')
  assert.deepEqual(config.warnings, ['litestream.yml: no databases specified in configuration'])
  assert.deepEqual(
    config.levels.map(({ interval }) => interval),
    [30_000, 300_000, 3_600_000],
  )
  assert.deepEqual(effectiveConfig(config), effectiveConfig(read('socket:\nlevels:\ndbs: ~\n')))
})

test('every form of a replica in the configuration is converted to one replica URL', () => {
  const urlOf = (replica: string) => read(`dbs: [{ path: /a, replica: ${replica} }]`).databases[0]!.replica.url.reveal()
  assert.equal(urlOf('{ path: /var/r }'), 'file:///var/r')
  assert.equal(urlOf('{ type: file, path: "/var/my r" }'), 'file:///var/my r')
  assert.equal(urlOf('{ url: "file:///var/r" }'), 'file:///var/r')
  assert.equal(urlOf('{ path: "~/r" }'), `file://${os.homedir()}/r`)
  assert.equal(urlOf('{ path: "/var/a?b#c%3F" }'), 'file:///var/a%3Fb%23c%253F')
  assert.equal(urlOf('{ url: "file://x/y" }'), 'file://x/y')
  assert.equal(urlOf('{ type: s3, bucket: b, path: /x/../y }'), 's3://b/y')
  assert.equal(urlOf('{ type: s3, bucket: b }'), 's3://b/')
  assert.equal(urlOf('{ type: nats, bucket: b }'), 'nats://127.0.0.1:4222/b')
  assert.equal(urlOf('{ url: "nats://h:4222", bucket: b }'), 'nats://h:4222/b')
  assert.equal(urlOf('{ type: sftp, host: "h:22", user: u, path: /p }'), 'sftp://u@h:22/p')
  assert.equal(urlOf('{ type: webdav, webdav-url: "https://h/d", path: p }'), 'webdavs://h/d/p')
  const inherited = read(
    'bucket: b\ndbs: [{ path: /a, replica: { type: s3, path: p } }, { path: /c, replica: { url: s3://x/y } }]',
  )
  assert.deepEqual(
    inherited.databases.map(({ replica }) => replica.url.reveal()),
    ['s3://b/p', 's3://x/y'],
  )
})

test('the printed configuration has every default value and no secret', () => {
  const yaml = effectiveYaml(
    read(
      'secret-access-key: hush\ndbs: [{ path: /a, replica: { url: "s3://id:hush@b/p", password: hush, sse-customer-key: hush } }]',
    ),
  )
  assert.ok(!yaml.includes('hush'), yaml)
  for (const line of ['secret-access-key: "***"', 'interval: 24h', 'busy-timeout: 1s', 'path: /a'])
    assert.ok(yaml.includes(line), line)
  // What was printed is itself a configuration, and the same one.
  const plain = read('l0-retention: 1m\ndbs: [{ path: /a, replica: { path: /r, sync-interval: 5s } }]')
  assert.deepEqual(effectiveConfig(read(effectiveYaml(plain))), effectiveConfig(plain))
})

test('a configuration value stays text until its key determines the type of the value', () => {
  const { settings } = read('dbs: [{ path: /a, replica: { url: s3://b/p, password: 0123, user: yes } }]').databases[0]!
    .replica
  assert.deepEqual([settings.password!.reveal(), settings.user], ['0123', 'yes'])
})

test('an unset environment variable causes a warning', () => {
  assert.match(read('exec: $NOT_SET_ANYWHERE').warnings[0]!, /NOT_SET_ANYWHERE is not set/)
})

test('command-line arguments can be used instead of a configuration file', () => {
  const config = configFromArguments('/a: "b".db', 'file:///r?x=$HOME')
  assert.equal(config.databases[0]!.path, '/a: "b".db')
  assert.equal(config.databases[0]!.replica.url.reveal(), 'file:///r?x=$HOME')
})

test('a directory entry of the configuration is expanded to one entry for each database in the directory', (t) => {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'ls-config-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const magic = Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(84)])
  mkdirSync(path.join(dir, 'sub/.x.db-litestream'), { recursive: true })
  for (const name of ['b.db', 'a #1.db', 'c.txt', 'sub/d.db', 'sub/.x.db-litestream/e.db'])
    writeFileSync(path.join(dir, name), magic)
  writeFileSync(path.join(dir, 'no.db'), 'text')
  const databases = (more: string) =>
    findDatabases(
      read(`dbs: [{ dir: ${JSON.stringify(dir)}, pattern: "*.db", replica: { url: "s3://b/p?region=x" }${more} }]`),
    ).databases
  assert.deepEqual(
    databases('').map((db) => [path.relative(dir, db.path), db.replica.url.reveal()]),
    [
      ['a #1.db', 's3://b/p/a%20%231.db?region=x'],
      ['b.db', 's3://b/p/b.db?region=x'],
    ],
  )
  assert.deepEqual(
    databases(', recursive: true, meta-dir: /m').map((db) => [path.relative(dir, db.path), db.metaPath]),
    [
      ['a #1.db', '/m/a #1.db-litestream'],
      ['b.db', '/m/b.db-litestream'],
      ['sub/d.db', '/m/sub/d.db-litestream'],
    ],
  )
  assert.equal(databases(', recursive: true, meta-path: /m')[2]!.metaPath, '/m/sub/.d.db-litestream')
  const empty = read(`dbs: [{ dir: ${JSON.stringify(dir)}, pattern: "*.sqlite", replica: { path: /r } }]`)
  const { faults } = findDatabases(empty)
  assert.deepEqual(
    faults.map((fault) => [fault.path, fault.error.code]),
    [[dir, 'NOT_FOUND']],
  )
  assert.match(faults[0]!.error.message, /no SQLite databases found in directory/)
})

test('the example configuration file is valid and names every key', () => {
  const text = exampleConfig()
  const keys = (schema: JsonSchema): string[] =>
    Object.entries({ ...schema.properties, ...schema.items?.properties }).flatMap(([key, value]) => [
      key,
      ...keys(value),
    ])
  for (const key of keys(describedSchema())) assert.match(text, new RegExp(`^[# -]*${key}:`, 'm'), key)
  const config = read(text)
  assert.deepEqual(config.warnings, [])
  assert.equal(config.databases.length, 1)
  // Every commented key is valid: with all comment signs removed, no key is unknown.
  const uncommented = text
    .split('\n')
    .map((line) => line.replace(/^(\s*)#(?! )/, '$1'))
    .join('\n')
  assert.throws(
    () => read(uncommented),
    (error: Error) => !/unknown key|expected|YAML|indent/i.test(error.message),
  )
})
