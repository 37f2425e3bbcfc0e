import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { replicate } from '../../src/primary/replicate.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { azureContainer, azureMissing, azureUrl, newContainer } from '../support/azure.js'
import { cleanUp } from '../support/clean-up.js'
import { collect } from '../support/collect.js'
import { gcsEndpoint, gcsMissing, newBucket, useEmulator } from '../support/gcs.js'
import { lz4Frame } from '../support/lz4-frame.js'
import { notRun } from '../support/not-run.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { openForWriting, restoredDatabase } from '../support/written-replica.js'

interface Store {
  /** Replica URL of a path in a bucket or container of the test's own. */
  readonly url: (path: string) => string
  /** Writes an object behind the product's back. */
  readonly put: (key: string, data: Uint8Array) => Promise<unknown>
}

const STORES: Readonly<Record<string, (t: TestContext) => Promise<Store | undefined>>> = {
  abs: async (t) => {
    if (azureMissing !== undefined) return notRun(t, 'Azurite', azureMissing) as undefined
    const container = await newContainer(t)
    const put = (key: string, data: Uint8Array) =>
      azureContainer(container).getBlockBlobClient(key).upload(Buffer.from(data), data.byteLength)
    return { url: (at) => azureUrl(container, at), put }
  },
  gs: async (t) => {
    if (gcsMissing !== undefined) return notRun(t, 'fake-gcs-server', gcsMissing) as undefined
    useEmulator(t)
    const bucket = await newBucket()
    const put = (key: string, body: Uint8Array) =>
      fetch(`${gcsEndpoint()}/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(key)}`, {
        method: 'POST',
        body: Buffer.from(body),
      })
    return { url: (at) => `gs://${bucket}/${at}`, put }
  },
}

for (const [name, makeStore] of Object.entries(STORES)) {
  for (const [urlPath, prefix] of [
    ['app/db', 'app/db/'],
    ['', ''],
  ] as const) {
    test(`${name}: a database of Litestream 0.3 can be restored, path "${urlPath}"`, async (t) => {
      const store = await makeStore(t)
      if (!store) return
      const dir = temporaryDirectory(t)
      const put = (name: string, data: Uint8Array) =>
        store.put(`${prefix}generations/00000000000000aa/${name}`, lz4Frame(data))
      const file = path.join(dir, 'app.db')
      const db = new Database(file)
      cleanUp(t, () => db.close())
      db.pragma('journal_mode=wal')
      db.exec('CREATE TABLE t (v)')
      db.pragma('wal_checkpoint(TRUNCATE)')
      await put('snapshots/00000003.snapshot.lz4', readFileSync(file))
      db.exec('INSERT INTO t VALUES (1), (2), (3)')
      await put('wal/00000003_00000000.wal.lz4', readFileSync(`${file}-wal`))
      const client = await openReplicaClient(store.url(urlPath))
      cleanUp(t, () => client.close())
      const output = path.join(dir, 'restored.db')
      const result = await restore(client, { output, integrityCheck: 'full' })
      assert.deepEqual(result.legacy, { generation: '00000000000000aa', index: 3 })
      const restored = new Database(output)
      cleanUp(t, () => restored.close())
      assert.equal(restored.prepare('SELECT count(*) FROM t').pluck().get(), 3)
      await assert.rejects(collect(client.legacy!.stream('generations/none')), { code: 'NOT_FOUND' })
    })
  }

  test(`${name}: with a lease, two writers through the VFS take turns`, async (t) => {
    const store = await makeStore(t)
    if (!store) return
    const url = store.url('written.db')
    const first = await openForWriting(t, url, { write: {} })
    first.db.exec('CREATE TABLE t (v)')
    first.db.exec('INSERT INTO t VALUES (1), (2)')
    const second = await openForWriting(t, url, { write: {} })
    second.db.exec('INSERT INTO t VALUES (3)')
    await second.replica.close()
    await first.replica.close()
    const restored = await restoredDatabase(t, url)
    assert.equal(restored.prepare('SELECT count(*) FROM t').pluck().get(), 3)
  })

  test(`${name}: a primary takes a lease in the store`, async (t) => {
    const store = await makeStore(t)
    if (!store) return
    const url = store.url('leased.db')
    const dir = temporaryDirectory(t)
    const open = (file: string) => {
      const db = new Database(path.join(dir, file))
      cleanUp(t, () => db.close())
      db.pragma('journal_mode=wal')
      db.exec('CREATE TABLE t (v)')
      return path.join(dir, file)
    }
    const primary = await replicate(open('one.db'), url, { lease: true })
    cleanUp(t, () => primary.close())
    await primary.sync({ wait: true })
    const client = await openReplicaClient(url)
    cleanUp(t, () => client.close())
    assert.ok(await client.getObject('lock.json'))
  })
}
