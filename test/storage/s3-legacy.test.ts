import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import Database from 'better-sqlite3'
import { LitestreamError } from '../../src/errors.js'
import { assembleV3 } from '../../src/restore/v3/assemble.js'
import { listV3, selectV3 } from '../../src/restore/v3/objects.js'
import { S3LegacyObjects } from '../../src/storage/s3/legacy-objects.js'
import { collect } from '../support/collect.js'
import { lz4Frame } from '../support/lz4-frame.js'
import { s3Bucket, s3Sdk } from '../support/s3.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const toError = (thrown: unknown, doing: string, target: string) =>
  new LitestreamError((thrown as Error).name === 'NoSuchKey' ? 'NOT_FOUND' : 'STORAGE_FAILED', `${doing} ${target}`, {
    cause: thrown,
  })

for (const [url, prefix] of [
  ['app/db', 'app/db/'],
  ['.', ''],
  ['', ''],
] as const) {
  test(`a database of Litestream 0.3 in a bucket, path "${url}"`, async (t) => {
    const dir = temporaryDirectory(t)
    const bucket = await s3Bucket(t)
    const sdk = s3Sdk()
    t.after(() => sdk.destroy())
    const put = (name: string, data: Uint8Array) =>
      sdk.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: `${prefix}generations/00000000000000aa/${name}`,
          Body: lz4Frame(data),
        }),
      )
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
    const objects = new S3LegacyObjects({ sdk, bucket, path: url, toError })
    const plan = selectV3(await listV3(objects))!
    assert.equal(plan.segments.length, 4)
    const output = path.join(dir, 'restored.db')
    await assembleV3(objects, plan, output, { signal: new AbortController().signal })
    const restored = new Database(output)
    assert.equal(restored.prepare('SELECT count(*) FROM t').pluck().get(), 400)
    assert.equal(restored.pragma('integrity_check', { simple: true }), 'ok')
    restored.close()
    await assert.rejects(collect(objects.stream('generations/none')), { code: 'NOT_FOUND' })
    await assert.rejects(collect(objects.list('x', { signal: AbortSignal.abort() })), { code: 'ABORTED' })
  })
}
