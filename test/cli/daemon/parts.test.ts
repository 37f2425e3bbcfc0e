import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { Daemon } from '../../../src/cli/daemon/daemon.js'
import { FolderWatches } from '../../../src/cli/daemon/folder-watches.js'
import { Heartbeat } from '../../../src/cli/daemon/heartbeat.js'
import { PartFaults } from '../../../src/cli/daemon/part-faults.js'
import { PendingCommits } from '../../../src/cli/daemon/pending-commits.js'
import { Supervised } from '../../../src/cli/daemon/supervised.js'
import { configFromText } from '../../../src/config/load.js'
import { silentLogger } from '../../../src/util/logger.js'
import { Secret } from '../../../src/util/secret.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { createDatabase } from './daemon-of-two.js'

test('a failed directory watch is reported as a fault until a later watch succeeds', (t) => {
  const dir = temporaryDirectory(t)
  const faults = new PartFaults(silentLogger)
  const watches = new FolderWatches(dir, faults, () => {})
  t.after(() => watches.close())
  const missing = path.join(dir, 'missing')
  assert.equal(watches.update([dir, missing]), true)
  const [fault] = faults.list()
  assert.deepEqual([fault!.part, fault!.name, fault!.replication], ['watch', dir, false])
  mkdirSync(missing)
  assert.equal(watches.update([dir, missing]), true)
  assert.deepEqual(faults.list(), [])
  assert.equal(watches.update([dir, missing]), false)
})

test('a change in a watched folder is reported with the file name, and the process continues if the folder is removed', async (t) => {
  const dir = temporaryDirectory(t)
  const below = path.join(dir, 'below')
  mkdirSync(below)
  const changes: string[] = []
  const watches = new FolderWatches(dir, new PartFaults(silentLogger), (folder, name) => {
    changes.push(`${path.basename(folder)}/${name}`)
    throw new Error('a handler that throws ends no process either')
  })
  t.after(() => watches.close())
  watches.update([below])
  createDatabase(path.join(below, 'a.db'))
  await until('it is reported', () => changes.includes('below/a.db'))
  rmSync(below, { recursive: true })
  await until('so is the end', () => changes.at(-1) !== 'below/a.db')
})

test('a daemon restarts a part of the daemon that failed, but not a part that was closed', async () => {
  const faults = new PartFaults(silentLogger)
  const part = { part: 'http', name: ':1', replication: false } as const
  let starts = 0
  let fail: (error: unknown) => void = () => {}
  let closed = 0
  const supervised = new Supervised(part, faults, async (onFailed) => {
    starts++
    fail = onFailed
    if (starts === 1) throw new Error('not yet')
    return {
      close: async () => {
        closed++
        throw new Error('a close that fails')
      },
    }
  })
  await supervised.start()
  assert.equal(faults.list().length, 1)
  await until('it is started again', () => starts === 2 && faults.list().length === 0)
  fail(new Error('broke'))
  fail(new Error('broke twice'))
  await until('it is closed and started again', () => starts === 3 && closed === 1)
  await supervised.close()
  fail(new Error('after the end'))
  assert.deepEqual([starts, closed, faults.list()], [3, 2, []])
})

test('a heartbeat that is refused or cannot be sent is reported as a fault of the heartbeat, not of replication', async (t) => {
  const dir = temporaryDirectory(t)
  createDatabase(path.join(dir, 'a.db'))
  const text = `dbs: [{ path: ${dir}/a.db, monitor-interval: 20ms, replica: { path: ${dir}/r, sync-interval: 20ms } }]`
  const daemon = new Daemon(configFromText(text, 'litestream.yml'), silentLogger)
  t.after(() => daemon.close())
  let status = 500
  let beats = 0
  const service = createServer((_, response) => {
    beats++
    response.writeHead(status).end('x'.repeat(100_000))
  })
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  const { port } = service.address() as AddressInfo
  // The interval of a configuration is a minute or more; what is sent within it does not depend on
  // it.
  const beat = (url: string) => new Heartbeat(daemon, { url: new Secret(url, url), interval: 3_600_000 }, 5)
  const url = `http://127.0.0.1:${port}/`
  const first = beat(url)
  await daemon.open()
  await until('it is refused', () => daemon.faults.list().length === 1)
  await first.close()
  assert.match(daemon.faults.list()[0]!.message, /status 500/)
  assert.equal(daemon.health(null).status, 'degraded')
  status = 200
  const second = beat(url)
  await until('it is sent', () => beats === 2 && daemon.faults.list().length === 0)
  await second.close()
  service.close()
  service.closeAllConnections()
  const third = beat(url)
  await until('it cannot be sent', () => daemon.faults.list().length === 1)
  await third.close()
  assert.match(daemon.faults.list()[0]!.message, /cannot be reached.*ECONNREFUSED/)
})

test('after replication starts over with a snapshot, the TXIDs that the snapshot replaces no longer count as waiting for upload', () => {
  const pending = new PendingCommits()
  for (let txid = 10; txid <= 15; txid++) pending.add(txid)
  pending.uploaded(11)
  pending.continueAfter(11)
  assert.ok(pending.ageMs > 0, 'they wait for the snapshot')
  pending.add(12)
  pending.uploaded(12)
  assert.equal(pending.ageMs, 0)
})

test('the list of commits that wait for upload has a bounded size, and keeps the time of the oldest commit', () => {
  const pending = new PendingCommits()
  assert.equal(pending.ageMs, 0)
  for (let txid = 1; txid <= 100_000; txid++) pending.add(txid)
  const age = pending.ageMs
  assert.ok(age > 0)
  pending.uploaded(1)
  assert.ok(pending.ageMs > 0, 'those that were joined with it still wait')
  pending.uploaded(99_999)
  assert.ok(pending.ageMs > 0)
  pending.uploaded(100_000)
  assert.equal(pending.ageMs, 0)
})
