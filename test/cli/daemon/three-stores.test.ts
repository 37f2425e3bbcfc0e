import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { openReplica } from '../../../src/replica/handle/open-replica.js'
import type { StatusDocument } from '../../../src/status/document.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { ageKey } from '../../support/age.js'
import { cleanUp } from '../../support/clean-up.js'
import { natsUrl } from '../../support/nats.js'
import { s3Bucket, s3Url } from '../../support/s3.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { run, start } from '../run.js'

const STORES = ['file', 's3', 'nats'] as const
type Store = (typeof STORES)[number]

test('on a folder, S3 and NATS, encrypted replicas support mirrors, scheduled restores, events, reload, readers and restore', async (t) => {
  const dir = temporaryDirectory(t)
  const { file: identities } = ageKey(t)
  const urls: Record<Store, string> = {
    file: `file://${dir}/replica`,
    s3: s3Url(await s3Bucket(t), 'app.db'),
    nats: natsUrl('app.db'),
  }
  // Each replica is mirrored to the next kind of store.
  const mirrors: Record<Store, string> = {
    file: s3Url(await s3Bucket(t), 'm'),
    s3: natsUrl('m'),
    nats: `file://${dir}/mirror`,
  }
  const fileOf = (name: string) => path.join(dir, `${name}.db`)
  const names = [...STORES, 'later']
  const databases = new Map(
    names.map((name) => {
      const db = new Database(fileOf(name))
      cleanUp(t, () => db.close())
      db.pragma('journal_mode = wal')
      db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB); INSERT INTO t (v) VALUES (randomblob(100000))')
      return [name, db] as const
    }),
  )
  const entry = (name: string, url: string, mirror?: string, more = '') => {
    const encryption = `encryption: { identities: ${identities} }`
    const others = mirror === undefined ? '' : `, mirrors: [{ url: "${mirror}", interval: 100ms, ${encryption} }]`
    return `  - { path: ${fileOf(name)}, monitor-interval: 50ms${more}, replica: { url: "${url}", sync-interval: 50ms, ${encryption} }${others} }`
  }
  const config = path.join(dir, 'litestream.yml')
  const socket = path.join(dir, 'socket')
  const write = (entries: readonly string[]) =>
    writeFileSync(
      config,
      `addr: 127.0.0.1:0\nsocket: { enabled: true, path: ${socket} }\nlevels: [{ interval: 1s }]\nvalidation: { restore-interval: 1s, restore-dir: ${dir}/scratch }\ndbs:\n${entries.join('\n')}\n`,
    )
  const entries = STORES.map((store) => entry(store, urls[store], mirrors[store]))
  write(entries)
  const daemon = start(['replicate', '-config', config])
  cleanUp(t, () => daemon.child.kill('SIGKILL'))
  const http = await until('it listens', () => /addr=(http:\S+)/.exec(daemon.stderr())?.[1])
  const [response] = (await once(get(`${http}/events`), 'response')) as [IncomingMessage]
  response.on('error', () => {})
  let rest = ''
  const events = new Set<string>()
  response.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      const [, event] = /"event":"([^"]+)"/.exec(line) ?? []
      const [, file] = /"path":"([^"]+)"/.exec(line) ?? []
      if (event !== undefined && file !== undefined) events.add(`${event} ${file}`)
    }
  })
  response.on('close', () => events.add('the connection was closed'))
  const seen = (event: string, name: string) => {
    assert.ok(!events.has('the connection was closed'))
    return events.has(`${event} ${fileOf(name)}`)
  }
  const status = async () => (await (await fetch(`${http}/status.json?details=`)).json()) as StatusDocument

  let writtenAt = 0
  for (const event of ['upload', 'compaction', 'mirror', 'proof']) {
    await until(`an event of every store: ${event}`, () => {
      if (Date.now() - writtenAt > 300) {
        writtenAt = Date.now()
        for (const db of databases.values()) db.exec('INSERT INTO t (v) VALUES (randomblob(300))')
      }
      return STORES.every((store) => seen(event, store))
    })
  }
  const { databases: shown, health } = await status()
  assert.equal(health, 'ok')
  for (const {
    proof,
    requests,
    restorable,
    mirrors: [mirror],
  } of shown) {
    assert.equal(proof?.compared, true)
    assert.ok(requests!.counts.PUT > 0 && restorable!.to.txid > 1 && mirror!.txid! > 0)
  }
  const metrics = await (await fetch(`${http}/metrics`)).text()
  for (const store of STORES) {
    assert.match(
      metrics,
      new RegExp(`litestream_validation_total\\{db="${fileOf(store)}",level="restore",result="ok"\\} [1-9]`),
    )
    assert.match(metrics, new RegExp(`litestream_mirror_txid\\{db="${fileOf(store)}",mirror="[^"]+"\\} [1-9]`))
  }

  // A reload adds a database, changes one and removes one; an invalid file changes nothing.
  writeFileSync(config, 'dbs: [{ path: ')
  assert.equal((await run(['reload', '-socket', socket])).status, 1)
  write([entries[0]!, entry('s3', urls.s3, mirrors.s3, ', busy-timeout: 2s'), entry('later', `${urls.file}-later`)])
  const reloaded = await run(['reload', '-json', '-socket', socket])
  const { added, removed, changed, unchanged } = JSON.parse(reloaded.stdout)
  assert.deepEqual(
    [added, removed, changed, unchanged],
    [[fileOf('later')], [fileOf('nats')], [fileOf('s3')], [fileOf('file')]],
  )
  await until('the new database is replicated', () => seen('upload', 'later'))
  write([...entries, entry('later', `${urls.file}-later`)])
  daemon.child.kill('SIGHUP')
  await until('the removed one is back, and all are replicated', async () => {
    const { databases } = await status()
    return (
      databases.length === 4 && databases.every((one) => one.state === 'replicating' && one.replicaTxid === one.txid)
    )
  })
  daemon.child.kill('SIGTERM')
  const { status: exit, stderr } = await daemon.finished
  assert.equal(exit, 0, stderr.split('\n').slice(-5).join('\n'))
  const errors = stderr.split('\n').filter((line) => /level=ERROR/.test(line) && !/reload/.test(line))
  assert.deepEqual(errors, [])

  const contentOf = (db: Database.Database) => db.prepare('SELECT count(*), sum(length(v)) FROM t').raw().get()
  const expected = new Map([...databases].map(([name, db]) => [name, contentOf(db)]))
  for (const store of STORES) {
    const replica = await openReplica(urls[store], { encryption: { identities } })
    const db = new Database(replica.uri, { readonly: true })
    assert.deepEqual(contentOf(db), expected.get(store), store)
    db.close()
    await replica.close()
    const plain = await openReplicaClient(urls[store])
    await assert.rejects(async () => {
      for await (const file of plain.list(0)) await openPlain(file, plain)
    }, /encrypted|LTX/)
    await plain.close()
  }
  for (const [name, db] of databases) {
    db.close()
    for (const suffix of ['', '-wal', '-shm']) rmSync(fileOf(name) + suffix, { force: true })
  }
  const restored = await run(['restore', '-all', '-json', '-config', config])
  assert.equal(restored.status, 0, restored.stderr)
  for (const name of names) {
    const db = new Database(fileOf(name))
    assert.deepEqual(contentOf(db), expected.get(name), name)
    db.close()
  }
})

async function openPlain(
  file: Parameters<Awaited<ReturnType<typeof openReplicaClient>>['read']>[0],
  client: Awaited<ReturnType<typeof openReplicaClient>>,
) {
  const { data } = await client.read(file, { offset: 0, length: 4 })
  if (Buffer.from(data).toString('latin1', 0, 3) !== 'LTX') throw new Error('the file is encrypted')
}
