// Checks every name of a replica's interface against the source, the documents and the official
// VFS.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { packageRoot } from '../../../src/package-files.js'
import { getLoadablePath } from '../../../src/replica/handle/loadable.js'
import { openReplica } from '../../../src/replica/handle/open-replica.js'
import { formatKey } from '../../../src/replica/key.js'
import {
  PARAMETERS,
  READER_SETTINGS,
  resolveOptions,
  toParameters,
  WRITER_SETTINGS,
} from '../../../src/replica/options.js'
import { runScript } from '../../support/child.js'
import { makeProxiedSource } from '../../support/proxied-source.js'
import { connect, makeSource, openTestReplica, value } from '../../support/replica.js'
import { until } from '../../support/until.js'

const SEED = 'CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t (n) VALUES (1), (2), (3);'

test("a replica handle's properties and events are correct, and close() releases all of the handle's resources", async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const copy = path.join(directory, 'copy.db')
  const heard: unknown[] = []
  const closed = await (async () => {
    await using replica = await openReplica(url, { hydrate: copy })
    replica.on('advance', (moment) => heard.push(moment))
    replica.on('hydrated', (done) => heard.push(done))
    assert.match(replica.uri, /^file:litestream-replica\/replica\?vfs=litestream&replica_id=\d+$/)
    assert.deepEqual([replica.txid, replica.timestamp], [1, new Date(history.time)])
    assert.ok(replica.lagMs >= 0 && replica.lagMs < 3_600_000)
    await replica.whenHydrated()
    await history.commit('INSERT INTO t (n) VALUES (4)')
    await until('the commit is there', async () => (await replica.refresh()) === 2)
    await until('the event came', () => heard.length > 0 && JSON.stringify(heard).includes('"txid":2'))
    assert.ok(
      heard.some((event) => (event as { txid?: number; timestamp?: Date }).timestamp?.getTime() === history.time),
    )
    const moment = await replica.at({ txid: 1 })
    assert.deepEqual(
      [moment.txid, moment.timestamp],
      [1, history.times.get(1) && new Date(history.times.get(1) as number)],
    )
    await replica.prefetch('SELECT * FROM t')
    const db = connect(t, replica.uri)
    assert.equal(value(db, 'SELECT count(*) FROM t'), 4)
    assert.deepEqual(Object.keys(replica.stats()).slice(0, 8), [
      'hits',
      'misses',
      'crossings',
      'readers',
      'cacheBytes',
      'pageSize',
      'commit',
      'hydration',
    ])
    db.close()
    return replica
  })()
  for (const use of [() => closed.txid, () => closed.timestamp, () => closed.lagMs, () => closed.stats()]) {
    assert.throws(use, { code: 'REPLICA_CLOSED' })
  }
  for (const use of [
    () => closed.refresh(),
    () => closed.at({ txid: 1 }),
    () => closed.prefetch('SELECT 1'),
    () => closed.workerStats(),
  ]) {
    await assert.rejects(use, { code: 'REPLICA_CLOSED' })
  }
  // Asked for before the end: it was complete.
  await closed.whenHydrated()
  await closed.close()
})

test('an AbortSignal ends openReplica(), refresh() and at() while they wait for the store', async (t) => {
  const { history, proxy, url } = await makeProxiedSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url, { pollInterval: '1h' })
  const rule = proxy.fault({ type: 'blackhole' }, { times: Number.POSITIVE_INFINITY })
  for (const wait of [
    (signal: AbortSignal) => replica.refresh({ signal }),
    (signal: AbortSignal) => replica.at({ txid: 1 }, { signal }),
    (signal: AbortSignal) => openReplica(url, { cacheSize: '1MiB', signal }),
  ]) {
    const hits = rule.hits
    const controller = new AbortController()
    const waiting = wait(controller.signal)
    const ended = assert.rejects(waiting, { message: 'enough' })
    // sync and at may share a listing that hangs already.
    await until('it waits', async () => rule.hits > hits || rule.hits > 0)
    controller.abort(new Error('enough'))
    await ended
    await assert.rejects(wait(AbortSignal.abort(new Error('before'))), { message: 'before' })
  }
  rule.remove()
  await proxy.down()
  await proxy.up()
  await until('it is asked again', async () => (await replica.refresh().catch(() => 0)) === 1)
})

test('a program can load the extension by the path that getLoadablePath() returns', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  assert.equal(path.basename(getLoadablePath()), 'litestream.node')
  const child = runScript(
    t,
    `const { getLoadablePath } = await import(src + '/index.js')
     const { default: Database } = await import('better-sqlite3')
     new Database(':memory:').loadExtension(getLoadablePath())
     const db = new Database('file:app.db?vfs=litestream&replica_url=' + encodeURIComponent(process.env.URL), { readonly: true })
     console.log(db.prepare('SELECT sum(n) FROM t').pluck().get())`,
    { URL: url },
  )
  assert.deepEqual([await child.ended, child.output(), child.errors()], [0, '6\n', ''])
})

test('the litestream-ts VFS accepts every parameter of the official VFS with an equal meaning', () => {
  const resolve = (parameters: Record<string, string>) =>
    resolveOptions(formatKey({ replica_url: 'file:///x', ...parameters }))
  assert.equal(resolve({ poll_interval: '1m30s' }).pollInterval, 90_000)
  assert.equal(resolve({ cache_size: '10485760' }).cacheSize, 10 * 2 ** 20)
  for (const on of ['true', '1']) {
    assert.equal(resolve({ hydration_enabled: on, hydration_path: '/x.db' }).hydrate, '/x.db')
  }
  assert.equal(resolve({ hydration_enabled: 'false', hydration_path: '/x.db' }).hydrate, undefined)
  assert.equal(resolve({ hydration_enabled: 'true' }).hydrate, true)
  assert.equal(resolve({}).write, undefined)
  assert.equal(resolve({ write_enabled: '0', sync_interval: '2s' }).write, undefined)
  assert.equal(resolve({ write_enabled: 'true' }).write?.durability, 'store')
  const buffered = resolve({ write_enabled: '1', sync_interval: '2s', buffer_path: '/b' }).write
  assert.equal(buffered?.durability, 'local')
  assert.equal(buffered?.syncInterval, 2000)
  assert.equal(buffered?.bufferPath, '/b')
})

test('a replica handle and a plain URI with equal parameters share one open replica, even if a parameter comes from the environment', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  process.env.LITESTREAM_CACHE_SIZE = '7MiB'
  t.after(() => delete process.env.LITESTREAM_CACHE_SIZE)
  const replica = await openReplica(url, { pollInterval: '40s' })
  const parameters = { ...toParameters(url, { pollInterval: '40s' }), cache_size: '7MiB' }
  const query = Object.entries(parameters).map(([name, text]) => `${name}=${encodeURIComponent(text)}`)
  const db = new Database(`file:other-name?vfs=litestream&${query.reverse().join('&')}`, { readonly: true })
  assert.equal(replica.stats().readers, 1)
  db.close()
  await replica.close()
})

test('the documents describe every option of openReplica and every URI parameter', () => {
  const read = (...names: string[]) => readFileSync(path.join(packageRoot(), ...names), 'utf8')
  const documents = read('docs', 'replicas.md')
  const [, options] = /export interface ReplicaOptions \{([^}]*)\}/.exec(read('src', 'replica', 'options.ts'))!
  const names = [...options!.matchAll(/readonly (\w+)\?:/g)].map(([, name]) => name)
  assert.ok(names.length >= 10)
  for (const name of names)
    assert.match(documents, new RegExp(`^\\| \`${name}\` *\\|`, 'm'), `${name} is not in the table`)
  for (const name of PARAMETERS) assert.ok(documents.includes(`\`${name}\``), `${name} is not named`)
  const writing = read('docs', 'writing.md')
  for (const [document, settings] of [
    [documents, READER_SETTINGS],
    [writing, WRITER_SETTINGS],
  ] as const) {
    for (const { option, kind, fallback } of Object.values(settings)) {
      const [, shown] = new RegExp(`^\\| \`${option}\`[^|]*\\| ([^|]*?) *\\|`, 'm').exec(document) ?? []
      assert.ok(shown !== undefined, `${option} is not in the table`)
      const text = shown.replace(/[`']/g, '').replace(/(\d) (\w)/, '$1$2')
      if (/^\d|^(all|true|store)$/.test(text)) assert.deepEqual(kind.parse(text), fallback, `${option}: ${shown}`)
      else
        assert.ok(
          ['–', 'never', 'as pollInterval'].includes(text) || option === 'compaction' || option === 'bufferPath',
          `${option}: ${shown}`,
        )
    }
  }
})
