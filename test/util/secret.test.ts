import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import Database from 'better-sqlite3'
import { LitestreamError, serializeError, toLitestreamError } from '../../src/errors.js'
import { replicateOnce } from '../../src/primary/replicate-once.js'
import { openReplica } from '../../src/replica/handle/open-replica.js'
import { redactUrl } from '../../src/storage/shown-url.js'
import { parseReplicaUrl, secretUrl } from '../../src/storage/url.js'
import { withoutSecrets } from '../../src/util/redact.js'
import { Secret } from '../../src/util/secret.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

/** Everything that printing or serialising a value can produce. */
function shown(value: unknown): string {
  const error = value as Error
  return [
    String(value),
    `${value}`,
    JSON.stringify(value),
    inspect(value, { depth: 20, showHidden: true, getters: true }),
    JSON.stringify(structuredCloned(value)),
    value instanceof Error ? `${error.message} ${error.stack} ${shown(error.cause)}` : '',
  ].join('\n')
}

function structuredCloned(value: unknown): unknown {
  return value === undefined ? undefined : structuredClone(value)
}

test('every way to print a secret masks the secret, and only reveal() returns the text of the secret', () => {
  const secret = new Secret('hunter2-one')
  const held = { password: secret, list: [secret], map: new Map([['a', secret]]) }
  assert.ok(!shown(secret).includes('hunter2'), shown(secret))
  assert.ok(!shown(held).includes('hunter2'), shown(held))
  assert.equal(`${secret}${JSON.stringify({ secret })}`, '***{"secret":"***"}')
  assert.equal(secret.reveal(), 'hunter2-one')
})

test('an error masks every spelling of a known secret in its message, hint, file and cause', () => {
  const value = 'p/ä "q+&=1'
  new Secret(value)
  const spellings = [
    value,
    encodeURIComponent(value),
    encodeURI(value),
    new URLSearchParams({ v: value }).toString().slice(2),
    JSON.stringify(value).slice(1, -1),
    Buffer.from(value).toString('base64'),
  ]
  for (const spelling of spellings) {
    const foreign = Object.assign(new Error(`refused ${spelling}`), {
      request: { headers: [spelling] },
      body: spelling,
    })
    const error = new LitestreamError('STORAGE_FAILED', `no: ${spelling}`, {
      hint: `not ${spelling}`,
      file: `/f/${spelling}`,
      cause: new Error('outer', { cause: foreign }),
    })
    for (const any of [error, serializeError(error), serializeError(foreign), toLitestreamError(foreign)]) {
      assert.ok(!shown(any).includes(spelling), `${spelling} in ${shown(any)}`)
    }
  }
})

test('a short secret is masked only where the secret is a whole word', () => {
  new Secret('data')
  assert.equal(withoutSecrets('password data of the database'), 'password *** of the database')
  new Secret('abc')
  assert.equal(withoutSecrets('abc'), 'abc')
})

test('unknown secrets are masked in texts from other packages', () => {
  const token = `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodXNoIn0.c2lnbmF0dXJl`
  const seed = `SUA${'QWERTYUIOPASDFGHJKLZXCVBNM234567'.repeat(2).slice(0, 55)}`
  const cases: Record<string, string> = {
    'cannot reach https://bob:HUSH@host/x': 'cannot reach https://***@host/x',
    'cannot reach "nats://HUSH@host:4222", again': 'cannot reach "nats://***@host:4222", again',
    'no such file: /cwd/s3:/KEY:HUSH@bucket/x': 'no such file: /cwd/s3:/***@bucket/x',
    'at s3://b/p?endpoint=http://u:HUSH@h:1&region=x': 'at s3://b/p?endpoint=http://***@h:1&region=x',
    'GET https://h/k?X-Amz-Credential=HUSH%2F2026&X-Amz-Signature=HUSH&x=1':
      'GET https://h/k?X-Amz-Credential=***&X-Amz-Signature=***&x=1',
    'X-Amz-Security-Token=HUSH': 'X-Amz-Security-Token=***',
    'Authorization: AWS4-HMAC-SHA256 Credential=HUSH/x, SignedHeaders=host, Signature=HUSH':
      'Authorization: AWS4-HMAC-SHA256 ***',
    'authorization: Bearer HUSH.x': 'authorization: Bearer ***',
    '{"password":"HUSH","user":"bob"}': '{"password":"***","user":"bob"}',
    '{"secretAccessKey": "HU\\"SH"}': '{"secretAccessKey": "***"}',
    'PGPASSWORD=HUSH psql': 'PGPASSWORD=*** psql',
    'node server.js --api-token HUSH --port 1': 'node server.js --api-token *** --port 1',
    [`jwt ${token}`]: 'jwt ***',
    [`seed ${seed}!`]: 'seed ***!',
    '-----BEGIN USER NKEY SEED-----\nHUSH\n------END USER NKEY SEED------': '***',
    // Nothing secret in these.
    'reading s3://bucket/me@example.com/0000/1.ltx failed': 'reading s3://bucket/me@example.com/0000/1.ltx failed',
    'nats://host:4222/bucket/a@b': 'nats://host:4222/bucket/a@b',
    'password: expected text': 'password: expected text',
    'arn s3://arn:aws:s3:eu:1:accesspoint/n/a@b': 'arn s3://arn:aws:s3:eu:1:accesspoint/n/a@b',
  }
  for (const [text, safe] of Object.entries(cases)) assert.equal(withoutSecrets(text), safe)
})

const HUSH = 'huSh4'

/** Replica URLs with a secret in each position, the invalid ones as a person might write them. */
const URLS: readonly string[] = [
  `nats://bob:${HUSH}@127.0.0.1:1/buck`,
  `nats://${HUSH}@127.0.0.1:1/buck`,
  `s3://AKIAX:${HUSH}@bucket/b`,
  `s3://AKIAX:${HUSH}@bucket`,
  `s3://bucket/c?endpoint=http://u:${HUSH}@127.0.0.1:1`,
  `s3://bucket/c?endpoint=http%3A%2F%2Fu%3A${HUSH}%40127.0.0.1%3A1&region=x`,
  `s3://bucket/c?endpoint=u:${HUSH}@127.0.0.1:1`,
  `s3://bucket/c?sse-customer-key=${HUSH}`,
  // not percent-encoded
  `s3://AKIAX:ab/${HUSH}@bucket/b`,
  `s3://AKIAX:${HUSH}/ab@bucket/b`,
  `s3://AKIAX:123/${HUSH}@bucket/b`,
  `nats://bob:a?${HUSH}@host/b`,
  `nats://bob:a#${HUSH}@host/b`,
  `nats://bob:a@${HUSH}/x@host/b`,
  `nats://bob:${HUSH}%zz@host/b`,
  `nats://bob:p%/${HUSH}@host/b`,
  // incomplete or misspelled
  `s3://AKIAX:${HUSH}`,
  `s3://AKIAX:${HUSH}/path`,
  `s3:/AKIAX:${HUSH}@bucket/b`,
  `s3:///AKIAX:${HUSH}@bucket/b`,
  `bob:${HUSH}@host/b`,
  `${HUSH}@host/b`,
  `s3://bucket/c?pwd=${HUSH}`,
  `s3://bucket/c?seccret-acess=${HUSH}&region=x`,
  `s3://bucket/c?region=x&${HUSH}`,
  `s3://bucket/c?${HUSH}=`,
  `s3://bucket/c#${HUSH}`,
  `gopher://bob:${HUSH}@host/b`,
  `file://bob:${HUSH}@host/b`,
  `webdav://bob:${HUSH}@host/b?sas-token=${HUSH}`,
]

test('neither a printed URL nor an error about a URL shows a secret, whether the URL is valid or not', () => {
  for (const url of URLS) {
    const all: unknown[] = [redactUrl(url), secretUrl(url), { url: secretUrl(url) }]
    try {
      all.push(parseReplicaUrl(url))
    } catch (error) {
      all.push(error)
    }
    for (const value of all) assert.ok(!shown(value).includes(HUSH), `${url}: ${shown(value)}`)
    assert.equal(secretUrl(url).reveal(), url)
  }
})

test('a valid URL is printed completely, apart from its secrets', () => {
  const cases: Record<string, string> = {
    's3://bucket/me@example.com/app.db': 's3://bucket/me@example.com/app.db',
    's3://K:S1234@bucket/me@example.com/app.db?region=eu&endpoint=https://h:1':
      's3://***@bucket/me@example.com/app.db?region=eu&endpoint=https://h:1',
    'nats://u:p1234@[::1]:5/b/x?tls=true&creds=/a/b': 'nats://***@[::1]:5/b/x?tls=true&creds=***',
    'file:///home/me@example.com/a': 'file:///home/me@example.com/a',
  }
  for (const [url, safe] of Object.entries(cases)) assert.equal(String(secretUrl(url)), safe)
})

test('the hint for a URL with an invalid password says how to percent-encode the password', () => {
  for (const url of ['s3://AKIA:ab/cd@bucket/b', 'nats://bob:a?b@host/b', 's3://AKIA:ab#cd@bucket/b']) {
    assert.throws(() => parseReplicaUrl(url), { code: 'INVALID_URL', hint: /"\/" as %2F/ })
  }
})

test('masking takes time proportional to the length of the text, and truncates a long text', () => {
  const began = performance.now()
  for (const part of [
    'x',
    'secret',
    'a@b:/',
    'a://@',
    'eyJ-',
    'token=',
    '"a":',
    ' --',
    '-----BEGIN PRIVATE KEY-----',
    'a=',
  ]) {
    const safe = withoutSecrets(part.repeat(Math.ceil(2_000_000 / part.length)))
    assert.ok(safe.length < 100_000, part)
  }
  // A bound that only work with the square of two million would reach.
  assert.ok(performance.now() - began < 20_000)
  assert.match(withoutSecrets('y'.repeat(20_000)), /… \(3616 more characters\)$/)
})

test('neither a replica handle nor its URI contains a secret', async (t) => {
  const dir = temporaryDirectory(t)
  for (const url of [`s3://AKIA:${HUSH}@bucket`, `s3://AKIA:ab/${HUSH}@bucket/p`, `nats://${HUSH}@127.0.0.1:99999/b`]) {
    await assert.rejects(openReplica(url, { openTimeout: 0, diskCache: dir, timeout: 100 }), (error) => {
      assert.ok(!shown(error).includes(HUSH), shown(error))
      return true
    })
  }
  const url = `file://${dir}/replica`
  const file = `${dir}/app.db`
  const db = new Database(file)
  db.exec('CREATE TABLE t (v)')
  db.close()
  await replicateOnce(file, url)
  const replica = await openReplica(url)
  t.after(() => replica.close())
  assert.match(replica.uri, /^file:litestream-replica\/replica\?vfs=litestream&replica_id=\d+$/)
})
