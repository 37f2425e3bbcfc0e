// Every configuration of Litestream 0.5.17 is accepted unchanged. These samples have every key that
// its source defines (the tags of its structs), each with a value of its type.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { schemaAt } from '../../src/config/json-schema.js'
import { configFromText } from '../../src/config/load.js'

/** Its keys, by section. */
const KEYS = {
  top: `addr socket levels snapshot validation l0-retention l0-retention-check-interval verify-compaction retention
    heartbeat-url heartbeat-interval dbs exec logging mcp-addr shutdown-sync-timeout shutdown-sync-interval`,
  socket: 'enabled path permissions',
  snapshot: 'interval retention',
  validation: 'interval',
  retention: 'enabled',
  logging: 'level type stderr source',
  database: `path dir pattern recursive watch snapshot meta-path meta-dir monitor-interval checkpoint-interval
    busy-timeout min-checkpoint-page-count truncate-page-n max-sync-wal-bytes restore-if-db-not-exists replica replicas`,
  replica: 'type name path url age',
  /** Also at the top, as defaults. */
  settings: `sync-interval validation-interval max-sync-ltx-files auto-recover
    access-key-id secret-access-key region bucket endpoint force-path-style sign-payload sign-accept-encoding
    require-content-md5 skip-verify storage-class part-size concurrency sse-customer-algorithm sse-customer-key
    sse-customer-key-path sse-kms-key-id account-name account-key sas-token host user password key-path
    concurrent-writes host-key webdav-url webdav-username webdav-password jwt seed creds nkey username token tls
    root-cas client-cert client-key max-reconnects reconnect-wait timeout`,
} as const
const words = (text: string) => text.trim().split(/\s+/)

test('the configuration accepts every Litestream key, in every section in which Litestream accepts the key', () => {
  const places: readonly (readonly [readonly (string | number)[], string])[] = [
    [[], `${KEYS.top} ${KEYS.settings}`],
    [['socket'], KEYS.socket],
    [['snapshot'], KEYS.snapshot],
    [['validation'], KEYS.validation],
    [['retention'], KEYS.retention],
    [['logging'], KEYS.logging],
    [['dbs', 0], KEYS.database],
    [['dbs', 0, 'snapshot'], KEYS.snapshot],
    [['dbs', 0, 'replica'], `${KEYS.replica} ${KEYS.settings}`],
    [['dbs', 0, 'replicas', 0], `${KEYS.replica} ${KEYS.settings}`],
  ]
  for (const [place, keys] of places) {
    const known = Object.keys(schemaAt(place)?.properties ?? {})
    assert.deepEqual(
      words(keys).filter((key) => !known.includes(key)),
      [],
      place.join('.'),
    )
  }
})

const PROCESS = `
addr: ":9090"
exec: sleep 1
mcp-addr: ":3001"
verify-compaction: true
heartbeat-url: https://heartbeat.example.com/abc
heartbeat-interval: 5m
shutdown-sync-timeout: 30s
shutdown-sync-interval: 500ms
l0-retention: 5m
l0-retention-check-interval: 15s
socket: { enabled: true, path: /tmp/none/litestream.sock, permissions: 0600 }
logging: { level: debug, type: json, stderr: true, source: true }
levels: [{ interval: 30s }, { interval: 5m }, { interval: 1h }]
snapshot: { interval: 24h, retention: 72h }
validation: { interval: 6h }
retention: { enabled: false }
`

const REPLICAS: Readonly<Record<string, readonly string[]>> = {
  file: ['path: /backup/app.db', 'type: file\npath: backup/app.db', 'url: file:///backup/app.db', 'path: ~/backup'],
  s3: [
    'url: s3://bucket/app.db',
    'url: s3://bucket/app.db?endpoint=fly.storage.tigris.dev&region=auto&sign-accept-encoding=false&part-size=16777216',
    'url: s3://bucket/app.db?endpoint=https://x.r2.cloudflarestorage.com&force-path-style=true&skip-verify=false',
    'url: s3://bucket/app.db?endpoint=host:9000&require-content-md5=false&sign-payload=true&concurrency=2&storage-class=GLACIER',
    'url: s3://arn:aws:s3:us-east-2:123456789012:accesspoint/app/db',
    'url: s3://bucket.s3.eu-west-1.amazonaws.com/app.db',
    'url: s3://bucket/app.db?endpoint=https://host&sse-customer-algorithm=AES256&sse-customer-key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
    `type: s3
bucket: bucket
path: app.db
region: us-east-1
endpoint: https://host
access-key-id: id
secret-access-key: sample-key-1
force-path-style: true
sign-payload: true
sign-accept-encoding: false
require-content-md5: false
skip-verify: true
storage-class: STANDARD_IA
part-size: 5MB
concurrency: 5
sync-interval: 10s
validation-interval: 6h
max-sync-ltx-files: 10
auto-recover: true
name: s3
sse-kms-key-id: alias/key`,
  ],
  gs: ['url: gs://bucket/app.db', 'type: gs\nbucket: bucket\npath: app.db'],
  abs: [
    'url: abs://account@container/app.db',
    'type: abs\naccount-name: account\naccount-key: a2V5\nbucket: container\npath: app.db',
    'type: abs\nendpoint: http://127.0.0.1:10000/devstoreaccount1\nsas-token: "?sv=2023-01-03&sig=abc"\nbucket: container\npath: app.db',
  ],
  oss: [
    'url: oss://bucket/app.db',
    'url: oss://bucket.oss-cn-hangzhou.aliyuncs.com/app.db',
    'type: oss\nbucket: bucket\npath: app.db\nregion: cn-shanghai\nendpoint: oss-cn-shanghai-internal.aliyuncs.com\naccess-key-id: i\nsecret-access-key: sample-key-1\npart-size: 10MiB\nconcurrency: 3',
  ],
  sftp: [
    'url: sftp://user:sample-pw-1@host:22/app.db',
    'type: sftp\nhost: host:2222\nuser: user\npassword: sample-pw-1\npath: /app.db\nkey-path: /etc/key\nconcurrent-writes: false\nhost-key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGkZc0f0mZ8n0oO5p1G4gqj6m0V8C6kq9bPqXc2v3mJx',
  ],
  webdav: [
    'url: webdav://user:sample-pw-1@host/dav/app.db',
    'url: webdavs://host/app.db\nwebdav-username: u\nwebdav-password: sample-pw-1',
    'type: webdav\nwebdav-url: https://host/remote.php/dav/files/u\nwebdav-username: u\nwebdav-password: sample-pw-1\npath: app.db',
  ],
  nats: [
    'url: nats://host:4222/bucket',
    'url: nats://host:4222\nbucket: bucket\nusername: u\npassword: sample-pw-1',
    'type: nats\nurl: nats://host\nbucket: bucket\njwt: sample-jwt-1\nseed: SUAA\nmax-reconnects: -1\nreconnect-wait: 2s\ntimeout: 10s',
    'type: nats\nurl: nats://host\nbucket: bucket\nnkey: UAAA\nseed: SUAA',
    'type: nats\nurl: nats://host\nbucket: bucket\ncreds: /etc/nats.creds\ntls: true\nroot-cas: [/ca.pem]\nclient-cert: /c.pem\nclient-key: /k.pem',
    'type: nats\nurl: nats://host\nbucket: bucket\ntoken: sample-token-1',
  ],
}

const indented = (text: string, by: number) => text.replace(/^/gm, ' '.repeat(by))

test('`replica`, and a `replicas` list with one entry, accept every form of a replica', () => {
  for (const [type, forms] of Object.entries(REPLICAS)) {
    for (const form of forms) {
      for (const yaml of [
        `dbs:\n  - path: /app.db\n    replica:\n${indented(form, 6)}`,
        `dbs:\n  - path: /app.db\n    replicas:\n      - ${indented(form, 8).trimStart()}`,
      ]) {
        const [database] = configFromText(yaml, 'sample.yml').databases
        assert.equal(database?.replica.type, type, form)
      }
    }
  }
})

test('all settings of the process, of a database and of a directory are read from the configuration', () => {
  const config = configFromText(
    `${PROCESS}
region: eu-west-1
max-sync-ltx-files: 128
dbs:
  - path: /one.db
    meta-path: /state/one
    monitor-interval: 1s
    checkpoint-interval: 1m
    busy-timeout: 1s
    min-checkpoint-page-count: 1000
    truncate-page-n: 121359
    max-sync-wal-bytes: 64MiB
    restore-if-db-not-exists: true
    snapshot: { interval: 24h, retention: 72h }
    replica: { url: "s3://bucket/one" }
  - dir: /many
    pattern: "*.db"
    recursive: true
    watch: true
    meta-dir: /state/many
    replica: { url: "s3://bucket/many", sync-interval: 5s }
`,
    'sample.yml',
  )
  assert.equal(config.databases[0]?.replica.settings.region, 'eu-west-1')
  assert.equal(config.directories[0]?.dir, '/many')
})

test('the error for a configuration key in the spelling of another program suggests the right key', () => {
  assert.throws(
    () => configFromText('dbs: [{ path: /a, replica: { url: "oss://b/p", access-key-secret: x } }]', 'x.yml'),
    (error: { code: string; hint: string }) =>
      error.code === 'CONFIG_INVALID' && /Did you mean `secret-access-key`/.test(error.hint),
  )
})
