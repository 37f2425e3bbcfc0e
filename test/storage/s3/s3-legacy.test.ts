import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import Database from 'better-sqlite3'
import { restore } from '../../../src/restore/restore.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { collect } from '../../support/collect.js'
import { lz4Frame } from '../../support/lz4-frame.js'
import { s3Bucket, s3Sdk, s3Url } from '../../support/s3.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

for (const [urlPath, prefix] of [
  ['app/db', 'app/db/'],
  ['', ''],
] as const) {
  test(`a database of Litestream 0.3 is restored from a bucket, path "${urlPath}"`, async (t) => {
    const dir = temporaryDirectory(t)
    const bucket = await s3Bucket(t)
    const sdk = s3Sdk()
    t.after(() => sdk.destroy())
    const put = (name: string, data: Uint8Array) => {
      const Key = `${prefix}generations/00000000000000aa/${name}`
      return sdk.send(new PutObjectCommand({ Bucket: bucket, Key, Body: lz4Frame(data) }))
    }
    const file = path.join(dir, 'app.db')
    const db = new Database(file)
    t.after(() => db.close())
    db.pragma('journal_mode=wal')
    db.exec('CREATE TABLE t (v)')
    db.pragma('wal_checkpoint(TRUNCATE)')
    await put('snapshots/00000003.snapshot.lz4', readFileSync(file))
    let offset = 0
    for (let i = 0; i < 4; i++) {
      db.exec(
        'INSERT INTO t WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<100) SELECT hex(randomblob(500)) FROM n',
      )
      const wal = readFileSync(`${file}-wal`)
      await put(`wal/00000003_${offset.toString(16).padStart(8, '0')}.wal.lz4`, wal.subarray(offset))
      offset = wal.length
    }
    const client = await openReplicaClient(s3Url(bucket, urlPath))
    t.after(() => client.close())
    const output = path.join(dir, 'restored.db')
    const result = await restore(client, { output, integrityCheck: 'full' })
    assert.deepEqual(result.legacy, { generation: '00000000000000aa', index: 3 })
    const restored = new Database(output)
    assert.equal(restored.prepare('SELECT count(*) FROM t').pluck().get(), 400)
    restored.close()
    await assert.rejects(collect(client.legacy!.stream('generations/none')), { code: 'NOT_FOUND' })
    await assert.rejects(collect(client.legacy!.list('x', { signal: AbortSignal.abort() })), { code: 'ABORTED' })
  })
}
