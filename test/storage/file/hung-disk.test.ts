import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { getEventListeners } from 'node:events'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { isLitestreamError } from '../../../src/errors.js'
import { CachedReplicaClient } from '../../../src/storage/disk-cache/cached-client.js'
import { FileReplicaClient } from '../../../src/storage/file/file-client.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { hangDisk } from '../../support/hung-disk.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const FILE = { level: 0, minTxid: 1, maxTxid: 1 }

test('if a disk hangs, an AbortSignal or a deadline ends the opening of a folder replica', {
  timeout: 60_000,
}, async (t) => {
  const url = pathToFileURL(temporaryDirectory(t)).href
  // Loads the module, which would need the disk.
  await (await openReplicaClient(url)).close()
  const release = hangDisk(t)
  const controller = new AbortController()
  const { signal } = controller
  const aborted = assert.rejects(openReplicaClient(url, { signal }), (error) => isLitestreamError(error, 'ABORTED'))
  const late = assert.rejects(openReplicaClient(url, { timeout: 100 }), (error) => isLitestreamError(error, 'TIMEOUT'))
  setImmediate(() => controller.abort())
  await Promise.all([aborted, late])
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  await release()
  await (await openReplicaClient(url)).close()
})

test('if a disk hangs, close() of the disk cache ends', { timeout: 60_000 }, async (t) => {
  const directory = temporaryDirectory(t)
  const location = { path: path.join(directory, 'replica') }
  const options = { directory: path.join(directory, 'cache'), limit: 2 ** 30 }
  const store = await FileReplicaClient.open(location)
  const body = randomBytes(300_000)
  const file = await store.write(FILE, body, { timestamp: 1000 })
  const cache = await CachedReplicaClient.open(store, options)
  const { data } = await cache.read(file, { offset: 0 })
  const release = hangDisk(t)
  assert.ok(body.equals(data))
  await cache.close()
  assert.equal(cache.counts.failures, 1)
  await release()

  const again = await CachedReplicaClient.open(await FileReplicaClient.open(location), options)
  assert.ok(body.equals((await again.read(file, { offset: 0 })).data))
  await again.close()
  assert.equal(again.counts.failures, 0)
})

test('if a disk hangs, an AbortSignal and close() each end a read through the disk cache', async (t) => {
  const directory = temporaryDirectory(t)
  const location = { path: path.join(directory, 'replica') }
  const options = { directory: path.join(directory, 'cache'), limit: 2 ** 30 }
  const store = await FileReplicaClient.open(location)
  const file = await store.write(FILE, randomBytes(300_000), { timestamp: 1000 })
  const cache = await CachedReplicaClient.open(store, options)
  await cache.read(file, { offset: 0 })
  const release = hangDisk(t)
  const isAborted = (error: unknown) => isLitestreamError(error, 'ABORTED')
  const controller = new AbortController()
  const { signal } = controller
  const reads = [0, 100_000].map((offset) => cache.read(file, { offset, length: 1000 }, { signal }))
  const aborted = reads.map((read) => assert.rejects(read, isAborted))
  const closed = assert.rejects(cache.read(file, { offset: 0 }), isAborted)
  controller.abort()
  await Promise.all(aborted)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  await cache.close()
  await closed
  await release()
})
