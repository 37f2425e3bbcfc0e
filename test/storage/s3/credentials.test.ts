import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { beforeEach, mock, test } from 'node:test'
import { PutBucketPolicyCommand } from '@aws-sdk/client-s3'
import { isLitestreamError } from '../../../src/errors.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import type { S3Settings } from '../../../src/storage/s3/settings.js'
import {
  type CapturedReply,
  type CapturedRequest,
  capturedClient,
  plainReply,
  signedScope,
} from '../../support/captured-s3.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { startFaultProxy } from '../../support/fault-proxy.js'
import { s3Bucket, s3Sdk, s3Server, s3Url } from '../../support/s3.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const URL_ = 's3://bucket/p?endpoint=https://host'
const file = (txid: number) => ({ level: 0, minTxid: txid, maxTxid: txid })

beforeEach(() => {
  for (const name of Object.keys(process.env)) if (/^(AWS|LITESTREAM)_/.test(name)) delete process.env[name]
  // Nothing of the machine the test runs on.
  process.env.AWS_EC2_METADATA_DISABLED = 'true'
  process.env.AWS_CONFIG_FILE = '/nonexistent/config'
  process.env.AWS_SHARED_CREDENTIALS_FILE = '/nonexistent/credentials'
})

async function listed(settings: S3Settings = {}, url = URL_): Promise<CapturedRequest> {
  const { client, sent } = await capturedClient(url, settings)
  await collect(client.list(0))
  return sent.at(-1)!
}

test('keys come from the settings, the URL, AWS variables or Litestream variables, and never with a session token from another source', async () => {
  Object.assign(process.env, { LITESTREAM_ACCESS_KEY_ID: 'LITE', LITESTREAM_SECRET_ACCESS_KEY: 'x' })
  assert.equal(signedScope(await listed()).key, 'LITE')
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AWSENV', AWS_SECRET_ACCESS_KEY: 'x', AWS_SESSION_TOKEN: 'token' })
  const fromEnvironment = await listed()
  assert.equal(signedScope(fromEnvironment).key, 'AWSENV')
  assert.equal(fromEnvironment.headers['x-amz-security-token'], 'token')
  for (const request of [
    await listed({ accessKeyId: 'OWN', secretAccessKey: 'x' }),
    await listed({}, 's3://OWN:x@bucket/p?endpoint=https://host'),
  ]) {
    assert.equal(signedScope(request).key, 'OWN')
    assert.equal(request.headers['x-amz-security-token'], undefined)
  }
  const temporary = await listed({ accessKeyId: 'OWN', secretAccessKey: 'x', sessionToken: 'mine' })
  assert.equal(temporary.headers['x-amz-security-token'], 'mine')
  // Litestream copies each of its variables where the one of AWS is missing.
  delete process.env.AWS_ACCESS_KEY_ID
  const copied = await listed()
  assert.deepEqual([signedScope(copied).key, copied.headers['x-amz-security-token']], ['LITE', 'token'])
  const inUrl = await listed({}, 's3://OWN:x@bucket/p?endpoint=https://host&session-token=url%2Btoken')
  assert.equal(inUrl.headers['x-amz-security-token'], 'url+token')
})

test('the region comes from the settings, otherwise from the bucket, then from the endpoint, and last from the environment', async () => {
  const keys = { accessKeyId: 'K', secretAccessKey: 'x' }
  Object.assign(process.env, { AWS_REGION: 'eu-west-3', AWS_DEFAULT_REGION: 'eu-west-2' })
  for (const [endpoint, region] of [
    ['https://s3.us-west-004.backblazeb2.com', 'us-west-004'],
    ['https://nyc3.digitaloceanspaces.com', 'nyc3'],
    ['https://s3.eu-central-2.wasabisys.com', 'eu-central-2'],
    ['https://s3.wasabisys.com', 'us-east-1'],
    ['https://s3.fr-par.scw.cloud', 'fr-par'],
    ['https://fsn1.your-objectstorage.com', 'fsn1'],
    ['https://s3.gra.io.cloud.ovh.net', 'gra'],
    ['https://s3.gra.cloud.ovh.net', 'gra'],
    ['https://s3.us-east-va.io.cloud.ovh.us', 'us-east-va'],
    ['https://account.r2.cloudflarestorage.com', 'auto'],
    ['https://account.eu.r2.cloudflarestorage.com', 'auto'],
    ['https://fly.storage.tigris.dev', 'auto'],
    ['https://storage.googleapis.com', 'auto'],
    ['https://s3.dualstack.ap-south-1.amazonaws.com', 'ap-south-1'],
    ['https://vpce-1a2b.s3.us-gov-west-1.vpce.amazonaws.com', 'us-gov-west-1'],
    ['https://eu-central-1.linodeobjects.com', 'eu-central-1'],
    ['https://minio.example.com', 'us-east-1'],
    ['http://10.0.0.1:9000', 'us-east-1'],
  ]) {
    const url = `s3://bucket/p?endpoint=${endpoint}`
    assert.equal(signedScope(await listed(keys, url)).region, region, endpoint)
    assert.equal(signedScope(await listed({ ...keys, region: 'own' }, url)).region, 'own')
  }
  const silent = await capturedClient('s3://bucket/p', keys, (request) =>
    request.method === 'HEAD' ? { statusCode: 404 } : plainReply(request),
  )
  await collect(silent.client.list(0))
  assert.equal(signedScope(silent.sent.at(-1)!).region, 'eu-west-3')
})

test('LITESTREAM_S3_DEBUG prints requests and responses without keys and signatures', async () => {
  const shown = mock.method(process.stderr, 'write', () => true)
  try {
    const keys = { accessKeyId: 'K', secretAccessKey: 'x', sessionToken: 'session-token-1' }
    await listed(keys)
    assert.equal(shown.mock.callCount(), 0)
    process.env.LITESTREAM_S3_DEBUG = 'request,response'
    await listed(keys)
    const text = shown.mock.calls.map((call) => String(call.arguments[0])).join('')
    assert.match(text, /S3 request: GET https:\/\/host\/bucket\/\?list-type=2/)
    assert.match(text, /S3 response: 200 to GET \/bucket\//)
    assert.match(text, /authorization: \*\*\*/)
    assert.doesNotMatch(text, /Signature=|session-token-1/)
  } finally {
    shown.mock.restore()
  }
})

test('LITESTREAM_S3_ENDPOINT is used if neither the URL nor the settings have an endpoint', async () => {
  process.env.LITESTREAM_S3_ENDPOINT = 'http://store.test:9000'
  const keys = { accessKeyId: 'K', secretAccessKey: 'x' }
  const request = await listed(keys, 's3://bucket/p')
  assert.deepEqual([request.hostname, request.port, request.path], ['store.test', 9000, '/bucket/'])
  assert.equal((await listed(keys)).hostname, 'host')
})

test('the client uses the selected profile of the shared AWS files', async (t) => {
  const shared = path.join(temporaryDirectory(t), 'credentials')
  writeFileSync(
    shared,
    '[default]\naws_access_key_id=DEFAULT\naws_secret_access_key=x\n[other]\naws_access_key_id=OTHER\naws_secret_access_key=x\naws_session_token=t\n',
  )
  process.env.AWS_SHARED_CREDENTIALS_FILE = shared
  assert.equal(signedScope(await listed()).key, 'DEFAULT')
  process.env.AWS_PROFILE = 'other'
  const other = await listed()
  assert.equal(signedScope(other).key, 'OTHER')
  assert.equal(other.headers['x-amz-security-token'], 't')
})

test('the client accepts credentials from a web identity, a container, a program and single sign-on', async (t) => {
  const directory = temporaryDirectory(t)
  const expires = new Date(Date.now() + 3_600_000)
  const container = { AccessKeyId: 'CONTAINER', SecretAccessKey: 'x', Token: 't', Expiration: expires.toISOString() }
  const signon = { accessKeyId: 'SIGNON', secretAccessKey: 'x', sessionToken: 't', expiration: expires.getTime() }
  const server = createServer(({ url = '' }, response) => {
    const keys = url.startsWith('/federation') ? { roleCredentials: signon } : container
    response.setHeader('content-type', 'application/json').end(JSON.stringify(keys))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const reply = (request: CapturedRequest): CapturedReply => {
    if (request.hostname !== 'sts.test') return plainReply(request)
    return {
      statusCode: 200,
      headers: { 'content-type': 'text/xml' },
      body: `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
        <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>IDENTITY</AccessKeyId>
        <SecretAccessKey>x</SecretAccessKey><SessionToken>t</SessionToken>
        <Expiration>${expires.toISOString()}</Expiration></Credentials>
        </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
    }
  }
  const written = (name: string, text: string) => {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true })
    writeFileSync(path.join(directory, name), text)
    return path.join(directory, name)
  }
  const program = `console.log(JSON.stringify({ Version: 1, AccessKeyId: 'PROGRAM', SecretAccessKey: 'x', SessionToken: 't' }))`
  const config = written(
    'config',
    `[profile program]\ncredential_process = ${process.execPath} ${written('program.cjs', program)}
[profile signon]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\nregion = us-east-1
[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://start.test\n`,
  )
  const token = { accessToken: 'a', expiresAt: expires.toISOString(), region: 'us-east-1' }
  written(`.aws/sso/cache/${createHash('sha1').update('s').digest('hex')}.json`, JSON.stringify(token))
  for (const [key, variables] of Object.entries({
    IDENTITY: {
      AWS_WEB_IDENTITY_TOKEN_FILE: written('token', 'jwt'),
      AWS_ROLE_ARN: 'arn:aws:iam::1:role/r',
      AWS_ENDPOINT_URL_STS: 'https://sts.test',
    },
    CONTAINER: { AWS_CONTAINER_CREDENTIALS_FULL_URI: address },
    PROGRAM: { AWS_CONFIG_FILE: config, AWS_PROFILE: 'program' },
    SIGNON: {
      AWS_CONFIG_FILE: config,
      AWS_PROFILE: 'signon',
      AWS_ENDPOINT_URL_SSO: address,
      HOME: directory,
    },
  })) {
    const before = { ...process.env }
    Object.assign(process.env, variables)
    const { client, sent } = await capturedClient(URL_, {}, reply)
    await collect(client.list(0))
    const { headers } = sent.at(-1)!
    assert.deepEqual([signedScope(sent.at(-1)!).key, headers['x-amz-security-token']], [key, 't'])
    for (const name of Object.keys(variables)) delete process.env[name]
    Object.assign(process.env, before)
  }
})

test('after a refusal, an existing client reads the new keys from the shared credentials file', async (t) => {
  const bucket = await s3Bucket(t)
  const { endpoint, accessKeyId, secretAccessKey } = s3Server()
  const shared = path.join(temporaryDirectory(t), 'credentials')
  const give = (key: string, secret: string) =>
    writeFileSync(shared, `[default]\naws_access_key_id=${key}\naws_secret_access_key=${secret}\n`)
  process.env.AWS_SHARED_CREDENTIALS_FILE = shared
  give(accessKeyId, secretAccessKey)
  const url = `s3://${bucket}/app.db?endpoint=${encodeURIComponent(endpoint)}`
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  await client.write(file(1), Buffer.from('x'), { timestamp: 1 })
  for (const [key, secret, reason] of [
    ['UNKNOWN', 'x', /InvalidAccessKeyId/],
    [accessKeyId, 'wrong', /SignatureDoesNotMatch/],
  ] as const) {
    give(key, secret)
    // The keys in memory are still valid.
    assert.equal((await collect(client.list(0))).length, 1)
    const stale = await openReplicaClient(url)
    cleanUp(t, () => stale.close())
    await assert.rejects(
      collect(stale.list(0)),
      (error) => isLitestreamError(error, 'ACCESS_DENIED') && reason.test(error.message),
    )
    give(accessKeyId, secretAccessKey)
    assert.equal((await collect(stale.list(0))).length, 1)
  }
})

test('without credentials, the error lists the possible sources, and the `anonymous` setting needs no credentials', async () => {
  await assert.rejects(
    listed(),
    (error) => isLitestreamError(error, 'ACCESS_DENIED') && /AWS_ACCESS_KEY_ID/.test(error.hint ?? ''),
  )
  const request = await listed({ anonymous: true })
  assert.equal(request.headers.authorization, undefined)
  assert.equal(request.headers['x-amz-security-token'], undefined)
  process.env.AWS_ACCESS_KEY_ID = 'AWSENV'
  process.env.AWS_SECRET_ACCESS_KEY = 'x'
  assert.equal((await listed({}, `${URL_}&anonymous=true`)).headers.authorization, undefined)
})

test('only the first request asks for the region of an AWS bucket, even if the response has no region', async () => {
  const answers: [CapturedReply, string][] = [
    [{ statusCode: 200, headers: { 'x-amz-bucket-region': 'eu-north-1' } }, 'eu-north-1'],
    [{ statusCode: 301, headers: { 'x-amz-bucket-region': 'eu-north-1' } }, 'eu-north-1'],
    [{ statusCode: 400, headers: { 'x-amz-bucket-region': 'eu-north-1' } }, 'eu-north-1'],
    [{ statusCode: 403, headers: { 'x-amz-bucket-region': 'eu-north-1' } }, 'eu-north-1'],
    [{ statusCode: 404 }, 'us-east-1'],
  ]
  const keys = { accessKeyId: 'K', secretAccessKey: 'x' }
  for (const [answer, region] of answers) {
    const { client, sent } = await capturedClient('s3://bucket/p', keys, (request) =>
      request.method === 'HEAD' ? answer : plainReply(request),
    )
    assert.equal(sent.length, 0)
    await Promise.all([collect(client.list(0)), collect(client.list(1))])
    await collect(client.list(2))
    assert.deepEqual(
      sent.map(({ method }) => method),
      ['HEAD', 'GET', 'GET', 'GET'],
    )
    assert.equal(signedScope(sent[0]!).region, 'us-east-1')
    for (const request of sent.slice(1)) {
      assert.equal(signedScope(request).region, region)
      assert.equal(request.hostname, `bucket.s3.${region}.amazonaws.com`)
    }
  }
  for (const [url, env] of [
    ['s3://bucket/p?region=eu-north-1', {}],
    ['s3://bucket.s3.eu-north-1.amazonaws.com/p', { AWS_REGION: 'eu-west-3' }],
    ['s3://bucket/p?endpoint=https://s3.eu-north-1.amazonaws.com', { AWS_REGION: 'eu-west-3' }],
  ] as const) {
    Object.assign(process.env, env)
    const { client, sent } = await capturedClient(url, keys)
    await collect(client.list(0))
    assert.deepEqual([sent.length, signedScope(sent[0]!).region], [1, 'eu-north-1'])
    for (const name of Object.keys(env)) delete process.env[name]
  }
})

test('if the store is unavailable when the client asks for the region, the next request asks again, and the client guesses no region', async () => {
  let away = 2
  const { client, sent } = await capturedClient(
    's3://bucket/p',
    { accessKeyId: 'K', secretAccessKey: 'x' },
    (request) => {
      if (request.method === 'HEAD' && away-- > 0) throw Object.assign(new Error('no route'), { code: 'ENETUNREACH' })
      return request.method === 'HEAD'
        ? { statusCode: 200, headers: { 'x-amz-bucket-region': 'eu-north-1' } }
        : plainReply(request)
    },
  )
  await collect(client.list(0))
  assert.deepEqual(
    sent.map(({ method }) => method),
    ['HEAD', 'HEAD', 'HEAD', 'GET'],
  )
  assert.equal(signedScope(sent[3]!).region, 'eu-north-1')
  assert.equal(client.stats().LIST.retries, 2)
})

test('the S3 server accepts the keys of the environment, and wrong keys, an unknown bucket and a private bucket each get their own error', async (t) => {
  const { endpoint, accessKeyId, secretAccessKey } = s3Server()
  const bucket = await s3Bucket(t)
  const url = (name: string) => `s3://${name}/app.db?endpoint=${encodeURIComponent(endpoint)}`
  Object.assign(process.env, { LITESTREAM_ACCESS_KEY_ID: accessKeyId, LITESTREAM_SECRET_ACCESS_KEY: secretAccessKey })
  const client = await openReplicaClient(url(bucket))
  await client.write(file(1), Buffer.from('x'), { timestamp: 1 })
  await client.close()
  const cases: [string, S3Settings, string, RegExp][] = [
    [bucket, { accessKeyId, secretAccessKey: 'wrong-secret-value' }, 'ACCESS_DENIED', /secret access key/],
    [bucket, { accessKeyId: 'nobody', secretAccessKey: 'wrong-secret-value' }, 'ACCESS_DENIED', /access key id/],
    [`${bucket}-not`, {}, 'NOT_FOUND', /bucket/],
    [bucket, { anonymous: true }, 'ACCESS_DENIED', /credentials/],
  ]
  for (const [name, settings, code, hint] of cases) {
    const other = await openReplicaClient(url(name), { s3: settings })
    const attempts = [
      () => collect(other.list(0)),
      () => other.write(file(2), Buffer.from('x'), { timestamp: 1 }),
      () => other.delete([file(1)]),
      () => other.read(file(1), { offset: 0 }),
    ]
    for (const attempt of attempts) {
      await assert.rejects(attempt(), (error) => {
        assert.ok(isLitestreamError(error) && error.code === code, `${name} ${String(error)}`)
        assert.match(error.hint ?? '', hint)
        assert.doesNotMatch(
          `${error.stack}${JSON.stringify(error)}${(error.cause as Error).stack}`,
          /wrong-secret-value/,
        )
        return true
      })
    }
    await assert.rejects(other.stat(file(1)), (error) => isLitestreamError(error) && error.code === code)
    assert.equal(
      Object.values(other.stats()).reduce((sum, { retries }) => sum + retries, 0),
      0,
    )
    await other.close()
  }
})

test('a public bucket can be read without credentials', async (t) => {
  const bucket = await s3Bucket(t)
  const writer = await openReplicaClient(s3Url(bucket))
  await writer.write(file(1), Buffer.from('public'), { timestamp: 1 })
  await writer.close()
  const Statement = [
    {
      Effect: 'Allow',
      Principal: '*',
      Action: ['s3:ListBucket', 's3:GetObject'],
      Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
    },
  ]
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
  await s3Sdk().send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
  const endpoint = encodeURIComponent(s3Server().endpoint)
  const client = await openReplicaClient(`s3://${bucket}/app.db?anonymous=true&endpoint=${endpoint}`)
  assert.equal((await collect(client.list(0))).length, 1)
  assert.equal(Buffer.from((await client.read(file(1), { offset: 0 })).data).toString(), 'public')
  await assert.rejects(client.write(file(2), Buffer.from('x'), { timestamp: 1 }), (error) =>
    isLitestreamError(error, 'ACCESS_DENIED'),
  )
  await client.close()
})

test('if the clock is wrong by hours, the client uses the time in the server’s refusal, or the error states the next step', async (t) => {
  const bucket = await s3Bucket(t)
  const now = Date.now
  t.after(() => {
    Date.now = now
  })
  const proxy = await startFaultProxy({ target: s3Server().endpoint })
  t.after(() => proxy.close())
  for (const hours of [-3, 3]) {
    Date.now = () => now() + hours * 3_600_000
    const client = await openReplicaClient(s3Url(bucket, 'app.db', proxy.url))
    await client.write(file(1), Buffer.from('x'), { timestamp: 1 })
    assert.equal((await collect(client.list(0))).length, 1)
    assert.deepEqual([client.stats().PUT.requests, client.stats().LIST.requests], [2, 1])
    await client.close()
  }
  Date.now = now
  const client = await openReplicaClient(s3Url(bucket, 'app.db', proxy.url))
  proxy.fault({ type: 'status', status: 403, code: 'RequestTimeTooSkewed' })
  await assert.rejects(
    collect(client.list(0)),
    (error) => isLitestreamError(error, 'ACCESS_DENIED') && /clock/.test(error.hint ?? ''),
  )
  await client.close()
})
