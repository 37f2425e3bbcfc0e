import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import { nkeys } from '@nats-io/transport-node'
import { type ErrorCode, isLitestreamError, serializeError } from '../../../src/errors.js'
import type { NatsSettings } from '../../../src/storage/nats/settings.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { makeCertificates } from '../../support/certificates.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { makeAccounts } from '../../support/nats-accounts.js'
import { startNats } from '../../support/servers/nats.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const FILE = { level: 0, minTxid: 1, maxTxid: 1 }
const SECRET = 'open-sesame'

/** A server of the test's own; `address` is host and port. */
async function server(t: TestContext, config: string): Promise<{ address: string }> {
  const nats = await startNats(config)
  cleanUp(t, nats.stop)
  return { address: nats.url.replace('nats://', '') }
}

async function works(url: string, nats: NatsSettings = {}): Promise<void> {
  const client = await openReplicaClient(url, { nats: { createBucket: true, ...nats } })
  try {
    await client.delete([FILE])
    await client.write(FILE, new Uint8Array(10), { timestamp: 1, createOnly: true })
    assert.equal((await collect(client.list(0))).length, 1)
    assert.equal((await client.read(FILE, { suffix: 4 })).fileSize, 10)
    assert.ok(!client.url.includes(SECRET))
  } finally {
    await client.close()
  }
}

/** Fails with the code and with no secret in anything that is shown. */
async function refused(code: ErrorCode, url: string, nats: NatsSettings = {}, secret = 'wrong-sesame'): Promise<void> {
  await assert.rejects(works(url, nats), (error) => {
    assert.ok(isLitestreamError(error, code), inspect(error))
    assert.ok(!`${inspect(error, { depth: 9 })}${JSON.stringify(serializeError(error))}`.includes(secret))
    assert.ok(error.hint !== undefined)
    return true
  })
}

test('the NATS client accepts a user and password from the URL or the settings', async (t) => {
  const { address } = await server(t, `authorization { user: app, password: "${SECRET}" }`)
  await works(`nats://app:${SECRET}@${address}/a`)
  await works(`nats://${address}/b`, { username: 'app', password: SECRET })
  await works(`nats://app:wrong-sesame@${address}/a`, { username: 'app', password: SECRET })
  await refused('ACCESS_DENIED', `nats://app:wrong-sesame@${address}/a`)
  await refused('ACCESS_DENIED', `nats://${address}/a`, { username: 'app', password: 'wrong-sesame' })
  await refused('ACCESS_DENIED', `nats://${address}/a`)
})

test('the NATS client accepts a token', async (t) => {
  const { address } = await server(t, `authorization { token: "${SECRET}" }`)
  await works(`nats://${SECRET}@${address}/a`)
  await works(`nats://${address}/a`, { token: SECRET })
  await refused('ACCESS_DENIED', `nats://${address}/a`, { token: 'wrong-sesame' })
})

test('the NATS client accepts an NKey', async (t) => {
  const user = nkeys.createUser()
  const seed = new TextDecoder().decode(user.getSeed())
  const { address } = await server(t, `authorization { users: [{ nkey: ${user.getPublicKey()} }] }`)
  await works(`nats://${address}/a`, { seed })
  await works(`nats://${address}/a`, { nkey: user.getPublicKey(), seed })
  const other = new TextDecoder().decode(nkeys.createUser().getSeed())
  await refused('ACCESS_DENIED', `nats://${address}/a`, { seed: other }, other)
  await refused('CONFIG_INVALID', `nats://${address}/a`, { nkey: user.getPublicKey(), seed: other }, other)
  await refused('CONFIG_INVALID', `nats://${address}/a`, { seed: 'SUwrong-sesame' })
  await refused('CONFIG_INVALID', `nats://${address}/a`, { nkey: user.getPublicKey() })
})

test('the NATS client accepts a JWT with a seed, and a credentials file', async (t) => {
  const accounts = makeAccounts()
  const { address } = await server(t, accounts.config)
  const creds = path.join(temporaryDirectory(t), 'app.creds')
  writeFileSync(creds, accounts.creds)
  await works(`nats://${address}/a`, { jwt: accounts.jwt, seed: accounts.seed })
  await works(`nats://${address}/a`, { creds })
  await works(`nats://${address}/a?creds=${encodeURIComponent(creds)}`)
  const stranger = makeAccounts()
  await refused('ACCESS_DENIED', `nats://${address}/a`, { jwt: stranger.jwt, seed: stranger.seed }, stranger.seed)
  await refused('CONFIG_INVALID', `nats://${address}/a`, { jwt: accounts.jwt })
  await refused('CONFIG_INVALID', `nats://${address}/a`, { creds: `${creds}.missing` })
  writeFileSync(creds, 'wrong-sesame')
  await refused('CONFIG_INVALID', `nats://${address}/a`, { creds })
})

test('the NATS client supports TLS with a private certificate authority and a client certificate', async (t) => {
  const files = makeCertificates(temporaryDirectory(t))
  const tls = `cert_file: "${files.serverCert}", key_file: "${files.serverKey}", ca_file: "${files.ca}"`
  const { address } = await server(t, `tls { ${tls}, verify: true }`)
  const { ca, clientCert, clientKey } = files
  await works(`nats://${address}/a`, { tls: true, rootCas: [ca], clientCert, clientKey })
  await works(`nats://${address}/a`, { skipVerify: true, clientCert, clientKey })
  await refused('ACCESS_DENIED', `nats://${address}/a`, { tls: true, clientCert, clientKey })
  await refused('CONFIG_INVALID', `nats://${address}/a`, { tls: true, rootCas: [ca], clientCert })
  await refused('CONFIG_INVALID', `nats://${address}/a`, { rootCas: [`${ca}.missing`] })
})

test('a write by a user with read-only permissions fails with ACCESS_DENIED', async (t) => {
  const readOnly = `publish: { deny: ["$O.>"] }`
  const users = [`{ user: admin, password: a }`, `{ user: reader, password: r, permissions: { ${readOnly} } }`]
  const { address } = await server(t, `authorization { users: [${users.join(', ')}] }`)
  await works(`nats://admin:a@${address}/a`)
  const client = await openReplicaClient(`nats://reader:r@${address}/a`)
  cleanUp(t, () => client.close())
  assert.equal((await collect(client.list(0))).length, 1)
  assert.equal((await client.read(FILE, { offset: 0 })).fileSize, 10)
  await assert.rejects(client.write({ ...FILE, level: 1 }, new Uint8Array(3), { timestamp: 1 }), (error) =>
    isLitestreamError(error, 'ACCESS_DENIED'),
  )
})

test('a NATS server without JetStream and a port without a server are reported as errors', async (t) => {
  const { address } = await server(t, 'no_auth_user: plain\naccounts { A { users: [{ user: plain, password: p }] } }')
  await assert.rejects(works(`nats://${address}/a`, { timeout: 1000 }), (error) =>
    isLitestreamError(error, 'ACCESS_DENIED'),
  )
  await assert.rejects(openReplicaClient('nats://127.0.0.1:1/a', { signal: AbortSignal.timeout(100) }), (error) =>
    isLitestreamError(error, 'ABORTED', 'UNAVAILABLE'),
  )
})
