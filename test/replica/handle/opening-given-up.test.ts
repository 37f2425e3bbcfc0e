// A failed or cancelled opening leaves nothing behind, whatever else is opened or closed at that
// moment.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { openReplica } from '../../../src/replica/handle/open-replica.js'
import { natsUrl } from '../../support/nats.js'
import { connect, makeSource, openTestReplica, value } from '../../support/replica.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'

const TABLE = 'CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)'

/** What this process has open of a kind: `socket:`, `anon_inode:inotify`. */
function openOf(kind: string): string[] {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(kind)
    } catch {
      return false // that of the directory itself is gone
    }
  })
}

/** Directories and files that this process is told of changes of. */
function watches(): number {
  return openOf('anon_inode:inotify')
    .map((fd) => readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').match(/^inotify wd/gm)?.length ?? 0)
    .reduce((sum, count) => sum + count, 0)
}

test('an AbortSignal ends one openReplica() call, and another openReplica() call for the same replica continues', async (t) => {
  const { url, history } = await makeSource(t)
  const goesOn = openTestReplica(t, url, { openTimeout: 10_000 })
  const controller = new AbortController()
  const given = openReplica(url, { pollInterval: 50, openTimeout: 10_000, signal: controller.signal })
  controller.abort(new Error('enough'))
  await assert.rejects(given, { message: 'enough' })
  await history.commit(TABLE)
  assert.equal(value(connect(t, (await goesOn).uri), 'SELECT count(*) FROM t'), 1)
})

test('if openReplica() is cancelled while it waits for the close of another replica, the replica is not opened later', async (t) => {
  const first = await makeSource(t)
  const second = await makeSource(t)
  for (const { history } of [first, second]) await history.commit(TABLE)
  const before = watches()
  const hydrate = path.join(temporaryDirectory(t), 'copy.db')
  const replica = await openReplica(first.url, { hydrate })
  await replica.whenHydrated()
  const controller = new AbortController()
  const closing = replica.close()
  const opening = openReplica(second.url, { signal: controller.signal })
  controller.abort(new Error('enough'))
  await assert.rejects(opening, { message: 'enough' })
  await closing
  // An opening behind it shows that the one before it is over.
  const third = await makeSource(t)
  await third.history.commit(TABLE)
  await (await openReplica(third.url)).close()
  assert.equal(watches(), before)
})

test('a failed opening of a replica closes its connection to the store', async (t) => {
  const { url, history } = await makeSource(t, { url: natsUrl() })
  await history.commit(TABLE)
  const diskCache = path.join(temporaryDirectory(t), 'a-file')
  writeFileSync(diskCache, '')
  const before = openOf('socket:').length
  for (let i = 0; i < 3; i++) await assert.rejects(openReplica(url, { diskCache }))
  await until('connections are closed', () => openOf('socket:').length <= before)
})
