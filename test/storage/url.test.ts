import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLitestreamError } from '../../src/errors.js'
import { type FileLocation, fileUrl } from '../../src/storage/file/location.js'
import type { NatsLocation } from '../../src/storage/nats/location.js'
import { redactUrl } from '../../src/storage/shown-url.js'
import { parseReplicaUrl } from '../../src/storage/url.js'
import { Secret } from '../../src/util/secret.js'

const given = (settings: object) =>
  Object.fromEntries(
    Object.entries(settings)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, value instanceof Secret ? value.reveal() : value]),
  )

test('the path of a file URL is absolute, as in Litestream', () => {
  const paths: Record<string, string> = {
    'file:///var/backups/app.db': '/var/backups/app.db',
    'file:/var/backups/app.db': '/var/backups/app.db',
    'FILE:///var/x': '/var/x',
    'file:///a%20b/%C3%BC%2525/./c/../d/': '/a%20b/%C3%BC%2525/d',
    'file:///a b/ü': '/a b/ü',
    'file:///~/x': '/~/x',
    'file://~/x': '/~/x',
    'file://x/y': '/x/y',
    'file://relative': '/relative',
    'file://./x': '/x',
    'file://../x': '/x',
    'file://localhost/x': '/localhost/x',
    'file://user@x/y': '/user@x/y',
    'file:///a%zz': '/a%zz',
  }
  for (const [url, path] of Object.entries(paths)) {
    const location = parseReplicaUrl(url)
    assert.deepEqual([location.type, (location as FileLocation).path], ['file', path], url)
  }
})

test('for any directory, the file URL of the directory is parsed to the path of the directory', () => {
  for (const name of ['a b', 'a?b', 'a#b', '%3F', '%23', '%253f', '%25253F?', 'ü%20', 'a&b=c', '%']) {
    assert.equal((parseReplicaUrl(fileUrl(`/d/${name}/e`)) as FileLocation).path, `/d/${name}/e`, name)
  }
})

test('an s3 URL gives the same key prefix as in Litestream', () => {
  const cases: Record<string, [string, string]> = {
    's3://bucket': ['bucket', '.'],
    's3://bucket/': ['bucket', ''],
    's3://bucket/a/b.db': ['bucket', 'a/b.db'],
    's3://bucket/a//b/../c/': ['bucket', 'a/c'],
    's3://bucket/my%20db': ['bucket', 'my db'],
    's3://arn:aws:s3:us-east-1:123456789012:accesspoint/name/a/b': [
      'arn:aws:s3:us-east-1:123456789012:accesspoint/name',
      'a/b',
    ],
  }
  for (const [url, [bucket, path]] of Object.entries(cases)) {
    const { settings, ...location } = parseReplicaUrl(url) as { settings: object }
    assert.deepEqual(location, { type: 's3', bucket, path }, url)
    assert.deepEqual(given(settings), {}, url)
  }
})

test('S3 settings come from the URL query, in either spelling, and from the host names of known services', () => {
  const settings = (url: string) => given((parseReplicaUrl(url) as { settings: object }).settings)
  assert.deepEqual(
    settings(
      's3://b2/p?endpoint=localhost:9000&region=eu&forcePathStyle=false&part-size=8MiB&concurrency=3&sign-payload=true',
    ),
    {
      endpoint: 'localhost:9000',
      region: 'eu',
      forcePathStyle: false,
      partSize: 8 << 20,
      concurrency: 3,
      signPayload: true,
    },
  )
  assert.deepEqual(settings('s3://my.b.s3.eu-west-1.amazonaws.com/p'), { region: 'eu-west-1' })
  assert.deepEqual(settings('s3://b.nyc3.digitaloceanspaces.com/p'), {
    endpoint: 'https://nyc3.digitaloceanspaces.com',
    region: 'nyc3',
    forcePathStyle: false,
  })
  assert.deepEqual(settings('s3://b.s3.us-west-002.backblazeb2.com/p'), {
    endpoint: 'https://s3.us-west-002.backblazeb2.com',
    region: 'us-west-002',
    forcePathStyle: true,
  })
  assert.deepEqual(settings('s3://bucket.localhost:9000/p'), {
    endpoint: 'http://localhost:9000',
    forcePathStyle: true,
  })
  assert.deepEqual(settings('s3://key:se%2Fcret@bucket/p'), { accessKeyId: 'key', secretAccessKey: 'se/cret' })
})

test('a nats URL contains the server, the bucket, the prefix and the user', () => {
  const parse = (url: string) => {
    const location = parseReplicaUrl(url) as NatsLocation
    return { ...location, settings: given(location.settings) }
  }
  assert.deepEqual(parse('nats://host/bucket'), {
    type: 'nats',
    server: 'host:4222',
    bucket: 'bucket',
    prefix: '',
    settings: {},
  })
  assert.deepEqual(parse('nats://u:p%40@[::1]:5/b/x/y/?tls=true'), {
    type: 'nats',
    server: '[::1]:5',
    bucket: 'b',
    prefix: 'x/y',
    settings: { username: 'u', password: 'p@', tls: true },
  })
  assert.equal(parse('nats://host?bucket=b').bucket, 'b')
})

test('the error for an invalid URL quotes the invalid part', () => {
  const wrong: Record<string, RegExp> = {
    '/var/backups': /no scheme/,
    'gopher://x/y': /"gopher" is not a scheme/,
    'file:relative': /"relative" is not the absolute path/,
    'file:///': /"\/" is not the absolute path/,
    'file:///a?b=1': /"b" is not a parameter/,
    'file:///a#b': /a "#" begins a fragment/,
    's3://b2/a%zz': /"%zz" is not a valid percent escape/,
    'file://': /is not the absolute path/,
    's3://127.0.0.1:9000/bucket': /"127.0.0.1:9000" cannot be/,
    's3:///path': /the bucket is missing/,
    's3://bad_%/x': /"bad_%" cannot be the name of a bucket/,
    's3://b2/p?region=': /the parameter "region" is empty/,
    's3://b2/p?partSize=many': /"many" is not a value of "partSize"/,
    's3://b2/p?force-path-style=maybe': /"maybe" is not a value of "forcePathStyle"/,
    's3://b2/p?concurrency=0': /"0" is not a value of "concurrency"/,
    's3://b2/p?colour=red': /"colour" is not a parameter/,
    's3://key@bucket/p': /not KEY:SECRET/,
    's3://arn:aws:s3:eu:1:bucket/p': /is not the ARN of an S3 access point/,
    'nats://host/a.b': /"a.b" cannot be the name of a NATS object store bucket/,
    'nats://host:99999/a': /"host:99999" is not a host with a port/,
  }
  for (const [url, message] of Object.entries(wrong)) {
    assert.throws(
      () => parseReplicaUrl(url),
      (error: unknown) => {
        assert.ok(isLitestreamError(error, 'INVALID_URL'), String(error))
        assert.match(error.message, message)
        return true
      },
      url,
    )
  }
})

test('a URL in a message contains no secret', () => {
  for (const url of [
    'nats://user:hunter2@host/b',
    's3://KEY:hunter2@bucket/p?region=eu',
    's3://bucket/p?sseCustomerKey=hunter2&region=eu',
    's3://bucket/p?secret-access-key=hunter2',
    's3://bucket/p?token=hunter2',
  ]) {
    assert.ok(!redactUrl(url).includes('hunter2'), redactUrl(url))
  }
  assert.equal(redactUrl('s3://bucket/p?region=eu'), 's3://bucket/p?region=eu')
  assert.throws(
    () => parseReplicaUrl('s3://KEY:hunter2@bucket/p?x=1'),
    (error) => !String(error).includes('hunter2'),
  )
})

test('a replica URL accepts the same spellings of booleans as Litestream', () => {
  for (const [text, expected] of [
    ...['true', 'T', '1', 'yes', 'Y', 'on'].map((one) => [one, true] as const),
    ...['false', 'F', '0', 'no', 'N', 'off'].map((one) => [one, false] as const),
  ]) {
    const location = parseReplicaUrl(`s3://bucket/p?skip-verify=${text}`)
    assert.equal(location.type === 's3' && location.settings.skipVerify, expected, text)
  }
})
