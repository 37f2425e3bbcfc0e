import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { configFaults } from '../../src/config/check.js'
import { configFromText } from '../../src/config/load.js'
import { run } from '../cli/run.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

function database(t: TestContext): string {
  const file = path.join(temporaryDirectory(t), 'app.db')
  const db = new Database(file)
  db.exec('CREATE TABLE t (v)')
  db.close()
  return file
}

const entry = (db: string, replica: string) => `dbs:\n  - path: ${JSON.stringify(db)}\n    replica: { ${replica} }\n`

/** A configuration that a start refuses, and the words of the error. */
const CASES: readonly (readonly [what: string, text: (dir: string, db: string) => string, words: RegExp])[] = [
  [
    'an Azure container without its account',
    (_, db) => entry(db, 'type: abs, bucket: con, path: p'),
    /abs:\/\/con: the storage account is missing/,
  ],
  [
    'a Google bucket that cannot be',
    (_, db) => entry(db, 'type: gs, bucket: B, path: p'),
    /cannot be the name of a bucket/,
  ],
  [
    'an account key that is not base64',
    (_, db) => entry(db, 'url: "abs://acc@con/p", account-key: "not base64!"'),
    /the account key is not base64/,
  ],
  [
    'a shared access signature without its signature',
    (_, db) => entry(db, 'url: "abs://acc@con/p", sas-token: "sv=2024-01-01&sp=r"'),
    /has no "sig="/,
  ],
  [
    'an access key without its secret',
    (_, db) => entry(db, 'url: "s3://bkt/p?region=x", access-key-id: id'),
    /access-key-id is set, and secret-access-key is not/,
  ],
  [
    'an SFTP host whose key is known and does not count',
    (_, db) => entry(db, 'url: "sftp://u:sample-pw-2@host/p", insecure-host-key: true, host-key: "SHA256:x"'),
    /`host-key` names the key of the server, but `insecure-host-key: true` accepts any key/,
  ],
  [
    'an SFTP host of which no key is known',
    (dir, db) => {
      writeFileSync(path.join(dir, 'hosts'), '')
      return entry(db, `url: "sftp://u:sample-pw-2@host/p", known-hosts: ${path.join(dir, 'hosts')}`)
    },
    /no key of host:22 is known in .*hosts/,
  ],
  [
    'a WebDAV password without a user',
    (_, db) => entry(db, 'url: "webdavs://host/p", webdav-password: sample-pw-2'),
    /webdavs:\/\/host\/p: the password has no user/,
  ],
  [
    'a lease on WebDAV',
    (_, db) => entry(db, 'url: "webdavs://host/p"').replace('    replica', '    lease: true\n    replica'),
    /`lease: true` needs conditional writes, and a WebDAV server may grant a lock to two clients/,
  ],
  [
    'a lease without conditional writes',
    (_, db) =>
      entry(db, 'url: "s3://bkt/p", conditional-writes: never').replace('    replica', '    lease: true\n    replica'),
    /`lease: true` needs conditional writes, and `conditional-writes: never` is set/,
  ],
  [
    'a file of recipients that is missing',
    (_, db) => entry(db, 'url: "s3://bkt/p", encryption: { recipients: [/nonexistent/keys] }'),
    /encryption\.recipients: reading \/nonexistent\/keys failed/,
  ],
  [
    'half of a NATS certificate',
    (_, db) => entry(db, 'url: "nats://host/bkt", client-cert: /x.pem'),
    /`client-cert` and `client-key` require each other/,
  ],
  ['a bucket that cannot be', (_, db) => entry(db, 'url: "s3://-b/p"'), /cannot be the name of a bucket/],
  [
    'a parameter that does not exist',
    (_, db) => entry(db, 'url: "s3://bkt/p?regoin=x"'),
    /"regoin" is not a parameter/,
  ],
  [
    'an endpoint that cannot be',
    (_, db) => entry(db, 'url: "s3://bkt/p", endpoint: "http://:bad:"'),
    /is not an endpoint/,
  ],
  [
    'an SSE-C key of the wrong length',
    (_, db) => entry(db, 'url: "s3://bkt/p", sse-customer-key: abcd'),
    /has 3 bytes, not 32/,
  ],
  [
    'an SSE-C key file that is missing',
    (dir, db) => entry(db, `url: "s3://bkt/p", sse-customer-key-path: ${dir}/none`),
    /none/,
  ],
  ['a NATS bucket that is missing', (_, db) => entry(db, 'url: "nats://127.0.0.1:1"'), /no bucket/],
  [
    'a creds file that is missing',
    (dir, db) => entry(db, `url: "nats://127.0.0.1:1/b", creds: ${dir}/none.creds`),
    /none\.creds/,
  ],
  [
    'a seed that is none',
    (_, db) => entry(db, 'url: "nats://127.0.0.1:1/b", nkey: UX, seed: SUHUSH'),
    /not the seed of an NKey/,
  ],
  [
    'a certificate without its key',
    (_, db) => entry(db, 'url: "nats://127.0.0.1:1/b", client-cert: /c.pem'),
    /require each other/,
  ],
  [
    'a replica folder that is a file',
    (_, db) => entry(db, `url: "file://${db}"`),
    /is a file, but a replica needs a directory/,
  ],
  ['a database that is a folder', (dir) => entry(dir, 'url: file:///r'), /is a directory/],
  ['a database below a file', (_, db) => entry(`${db}/x.db`, 'url: file:///r'), /ENOTDIR/],
  ['a file that is not a database', (dir) => entry(path.join(dir, 'text'), 'url: file:///r'), /not an SQLite database/],
  ['a loop of links', (dir) => entry(path.join(dir, 'loop'), 'url: file:///r'), /ELOOP/],
  ['a name that is too long', (dir) => entry(path.join(dir, 'n'.repeat(300)), 'url: file:///r'), /ENAMETOOLONG/],
  [
    'a meta-path that is a file',
    (dir, db) => `${entry(db, 'url: file:///r')}    meta-path: ${dir}/text\n`,
    /meta-path .*text is not a directory/,
  ],
  ['a quote that is not closed', (_, db) => `exec: "node 'x"\n${entry(db, 'url: file:///r')}`, /unmatched '/],
  [
    'a program that does not exist',
    (_, db) => `exec: no-such-program -x\n${entry(db, 'url: file:///r')}`,
    /no-such-program \*\*\* is not a program/,
  ],
]

for (const [what, text, words] of CASES) {
  test(`config check and the daemon’s start report ${what}`, async (t) => {
    const db = database(t)
    const dir = path.dirname(db)
    writeFileSync(path.join(dir, 'text'), 'not a database')
    symlinkSync(path.join(dir, 'loop'), path.join(dir, 'loop'))
    const faults = await configFaults(configFromText(text(dir, db), 'litestream.yml'))
    assert.equal(faults.length, 1, faults.join('\n'))
    assert.match(faults[0]!.message, words)
    assert.ok(faults[0]!.hint.length > 10)
    assert.ok(!faults[0]!.message.includes('HUSH'))
  })
}

test('config check finds no fault in a correct configuration, and writes no file', async (t) => {
  const db = database(t)
  const dir = path.dirname(db)
  const faults = await configFaults(configFromText(`exec: node -v\n${entry(db, `url: "file://${dir}/r"`)}`, 'f'))
  assert.deepEqual(faults, [])
  assert.throws(() => mkdirSync(path.join(dir, 'r', 'x')), { code: 'ENOENT' })
})

test('config check prints every fault with a next step to stderr, and nothing to stdout', async (t) => {
  const db = database(t)
  const file = path.join(path.dirname(db), 'litestream.yml')
  writeFileSync(file, `exec: no-such-program\n${entry(db, 'url: "gopher://x"').replace('gopher', 'gs')}`)
  const { status, stdout, stderr } = await run(['config', 'check', '-config', file])
  assert.deepEqual([status, stdout], [1, ''])
  assert.equal(stderr.match(/^Error: /gm)?.length, 2)
  assert.equal(stderr.match(/^Try: /gm)?.length, 2)
})

test('config check warns about a key that does not belong to the replica type, and about a type that contradicts the URL', () => {
  const read = (replica: string) => configFromText(entry('/a.db', replica), 'x.yml').warnings
  assert.deepEqual(read('type: s3, url: "gs://bkt/p", access-key-id: id'), [
    'x.yml:3:22: type: s3 has no effect, because the URL has the type gs',
    'x.yml:3:60: access-key-id has no effect in a replica of the type gs',
  ])
  assert.deepEqual(read('url: "sftp://u@host/p", timeout: 5s, sync-interval: 2s'), [])
})

test('webdav-url accepts http and https, and the hint for an abs URL shows the position of the account name', async () => {
  const wrong = entry('/a.db', 'type: webdav, webdav-url: "ftp://host/x"')
  assert.throws(() => configFromText(wrong, 'x.yml'), /webdav-url is not the URL of a WebDAV server/)
  const [fault] = await configFaults(configFromText(entry('/a.db', 'type: abs, bucket: con, path: p'), 'x.yml'))
  assert.match(fault!.hint, /abs:\/\/ACCOUNT@CONTAINER\/PATH/)
})
