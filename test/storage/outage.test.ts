import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { isLitestreamError, LitestreamError } from '../../src/errors.js'
import { replicate } from '../../src/primary/replicate.js'
import { openReplica } from '../../src/replica/handle/open-replica.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { OutageWatch, type StoreOutage } from '../../src/storage/outage.js'
import { elapsedMs } from '../../src/util/elapsed.js'
import { cleanUp } from '../support/clean-up.js'
import { EVERY_STORE, useEnv } from '../support/every-store.js'
import { notRun } from '../support/not-run.js'
import { startTcpGate } from '../support/tcp-gate.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'
import { unusedPort } from '../support/unused-port.js'

const failure = new LitestreamError('UNAVAILABLE', 'no answer')

function watched() {
  const seen: StoreOutage[] = []
  return { seen, watch: new OutageWatch('s3://b/x', (outage) => seen.push(outage)) }
}

test('an outage of more than a second is reported once, not for each attempt of a request, and the end of the outage is reported', () => {
  const { seen, watch } = watched()
  watch.failed(failure, elapsedMs(), 10)
  assert.equal(seen.length, 0)
  for (let attempt = 0; attempt < 20; attempt++) watch.failed(failure, elapsedMs(), 1500)
  watch.failed(failure, elapsedMs(), undefined)
  assert.equal(seen.length, 1)
  const { replica, error, failures, retryMs } = seen[0]!
  assert.deepEqual([replica, error, failures, retryMs], ['s3://b/x', failure, 2, 1500])
  watch.answered()
  watch.answered()
  assert.deepEqual(
    seen.map((outage) => [outage.error?.code, outage.failures]),
    [
      ['UNAVAILABLE', 2],
      [undefined, 22],
    ],
  )
})

test('if an outage is too short to be reported, its end is not reported either, and the next outage is reported', () => {
  const { seen, watch } = watched()
  watch.failed(failure, elapsedMs(), 10)
  watch.answered()
  assert.equal(seen.length, 0)
  // An attempt that took five seconds.
  watch.failed(failure, elapsedMs() - 5000, 10)
  watch.answered()
  watch.failed(failure, elapsedMs() - 5000, 10)
  assert.deepEqual(
    seen.map(({ failures, error }) => [failures, error !== undefined]),
    [
      [1, true],
      [1, false],
      [1, true],
    ],
  )
})

for (const store of EVERY_STORE.filter(({ name, inProcess }) => name !== 'file' && !inProcess)) {
  test(`${store.name}: while the client retries the first connection to an unreachable server, the outage is reported`, async (t) => {
    if (store.missing !== undefined) return notRun(t, store.name, store.missing)
    const place = await store.place(t)
    const port = await unusedPort()
    useEnv(t, place.env(port))
    const seen: StoreOutage[] = []
    const enough = new AbortController()
    const { signal } = enough
    const onOutage = (outage: StoreOutage) => {
      seen.push(outage)
      enough.abort()
    }
    const listing = async () => {
      const client = await openReplicaClient(place.url('app.db', port), { signal, onOutage })
      cleanUp(t, () => client.close())
      for await (const file of client.list(0, { signal })) assert.fail(String(file.size))
    }
    await assert.rejects(listing(), (error) => isLitestreamError(error, 'ABORTED'))
    assert.equal(seen.length, 1)
    const { replica, error, failures, retryMs } = seen[0]!
    assert.equal(error?.code, 'UNAVAILABLE')
    assert.ok(replica.startsWith(`${store.name}://`) && error.message.includes(`${store.name}://`), error.message)
    assert.match(error.message, new RegExp(`ECONNREFUSED.*127.0.0.1:${port}`))
    assert.ok(error.hint !== '' && failures > 0 && retryMs !== undefined)
  })
}

for (const name of ['s3', 'nats']) {
  test(`${name}: the end of an outage is reported, and the request succeeds`, async (t) => {
    const place = await EVERY_STORE.find((store) => store.name === name)!.place(t)
    const port = await unusedPort()
    const seen: (string | undefined)[] = []
    const client = await openReplicaClient(place.url('app.db', port), {
      onOutage: ({ error }) => {
        seen.push(error?.code)
        if (seen.length === 1) void startTcpGate(t, { host: '127.0.0.1', port: place.port! }, port)
      },
    })
    cleanUp(t, () => client.close())
    for await (const file of client.list(0)) assert.fail(String(file.size))
    assert.deepEqual(seen, ['UNAVAILABLE', undefined])
  })
}

function warnings(t: TestContext): (Error & { readonly code?: string; readonly detail?: string })[] {
  const all: Error[] = []
  const note = (warning: Error) => {
    if (warning.name === 'LitestreamWarning') all.push(warning)
  }
  process.on('warning', note)
  cleanUp(t, () => process.off('warning', note))
  return all
}

const unreachable = async () => `s3://bucket/app.db?endpoint=http://127.0.0.1:${await unusedPort()}`

test('if the store of replicate() is unreachable, an event reports the outage, or without a listener a process warning', async (t) => {
  useEnv(t, { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' })
  const all = warnings(t)
  const started = async (name: string) => {
    const file = path.join(temporaryDirectory(t), name)
    new Database(file).exec('CREATE TABLE t (x)').close()
    const replication = await replicate(file, await unreachable(), { shutdownSyncTimeout: 0 })
    cleanUp(t, () => replication.close({ timeout: 1 }).catch(() => undefined))
    return replication
  }
  const heard: string[] = []
  const replication = await started('heard.db')
  replication.on('outage', ({ db, error }) => heard.push(`${path.basename(db)} ${error?.code}`))
  await until('the event comes', () => heard.length > 0)
  assert.deepEqual([heard, all], [['heard.db UNAVAILABLE'], []])
  await started('unheard.db')
  await until('it is warned of', () => all.length > 0)
  assert.deepEqual([all.length, all[0]!.code], [1, 'UNAVAILABLE'])
  assert.match(all[0]!.message, /^the store does not answer: .*s3:\/\/bucket\/app.db.*; next attempt in /)
})

test('if the store of openReplica() is unreachable, a process warning reports the outage while openReplica() waits', async (t) => {
  useEnv(t, { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' })
  const all = warnings(t)
  const enough = new AbortController()
  const opening = openReplica(await unreachable(), { signal: enough.signal })
  const ended = assert.rejects(opening)
  await until('it is warned of', () => all.length > 0)
  enough.abort()
  await ended
  assert.deepEqual([all.length, all[0]!.code, all[0]!.detail !== ''], [1, 'UNAVAILABLE', true])
})
