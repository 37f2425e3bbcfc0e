import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { replicateOnce } from '../../src/primary/replicate-once.js'
import { openReplica } from '../../src/replica/handle/open-replica.js'
import { hydrateFile, restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { contentHashes } from '../support/content.js'
import { natsUrl } from '../support/nats.js'
import { askOfficialVfs, contentSum } from '../support/official-vfs.js'
import { copyRealDatabase } from '../support/real-database.js'
import { s3Bucket, s3Server, s3Url } from '../support/s3.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

interface Place {
  /** For us. */
  readonly url: string
  /** For the official VFS, which takes credentials from its environment only. */
  readonly official: string
  readonly env: Record<string, string>
}

const PLACES: Record<string, (t: TestContext, directory: string) => Promise<Place>> = {
  file: async (_, directory) => {
    const url = `file://${directory}/replica`
    return { url, official: url, env: {} }
  },
  S3: async (t) => {
    const bucket = await s3Bucket(t)
    const { endpoint, accessKeyId, secretAccessKey } = s3Server()
    return {
      url: s3Url(bucket),
      official: `s3://${bucket}/app.db?endpoint=${encodeURIComponent(endpoint)}&region=us-east-1&forcePathStyle=true`,
      env: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
    }
  },
}

for (const [name, place] of Object.entries(PLACES)) {
  test(`proj.db through ${name}: the official VFS, the litestream-ts VFS, restore and hydrate all return the original database`, async (t) => {
    const directory = temporaryDirectory(t)
    const at = (file: string) => path.join(directory, file)
    const { url, official, env } = await place(t, directory)
    copyRealDatabase(directory)
    await replicateOnce(at('proj.db'), url)

    // What the primary added to the database is part of what it replicated.
    const hashes = contentHashes(at('proj.db'))
    assert.equal(await askOfficialVfs(official, '.sha3sum', at('log'), env), await contentSum(at('proj.db')))
    await using replica = await openReplica(url)
    assert.deepEqual(contentHashes(replica.uri), hashes)
    const client = await openReplicaClient(url)
    await restore(client, { output: at('restored.db'), integrityCheck: 'full' })
    await hydrateFile(client, { output: at('hydrated.db') })
    for (const copy of ['restored.db', 'hydrated.db']) assert.deepEqual(contentHashes(at(copy)), hashes)
    await client.close()

    // Later transactions too.
    const db = new Database(at('proj.db'))
    db.exec(
      'CREATE TABLE later (x); INSERT INTO later SELECT value FROM json_each(\'[1,"two",3.5,null]\'); DROP TABLE usage',
    )
    db.close()
    await replicateOnce(at('proj.db'), url)
    assert.equal(await askOfficialVfs(official, '.sha3sum', at('log'), env), await contentSum(at('proj.db')))
    await replica.refresh()
    assert.deepEqual(contentHashes(replica.uri), contentHashes(at('proj.db')))
  })

  test(`litestream-ts reads and restores the replica that the official VFS writes through ${name}`, async (t) => {
    const directory = temporaryDirectory(t)
    const at = (file: string) => path.join(directory, file)
    const { url, official, env } = await place(t, directory)
    const sql = `CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, 'row ' || i FROM n`
    await askOfficialVfs(official, sql, at('log'), {
      ...env,
      LITESTREAM_WRITE_ENABLED: 'true',
      LITESTREAM_BUFFER_PATH: at('buffer'),
    })
    const local = new Database(at('same.db'))
    local.exec(sql)
    local.close()
    await using replica = await openReplica(url)
    assert.deepEqual(contentHashes(replica.uri), contentHashes(at('same.db')))
    const client = await openReplicaClient(url)
    await restore(client, { output: at('restored.db'), integrityCheck: 'full' })
    assert.deepEqual(contentHashes(at('restored.db')), contentHashes(at('same.db')))
    await client.close()
  })
}

test('the official VFS reads a replica on NATS, after its own NATS client has cancelled earlier attempts to open the replica', async (t) => {
  const directory = temporaryDirectory(t)
  const at = (file: string) => path.join(directory, file)
  const db = new Database(at('app.db'))
  t.after(() => db.close())
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (v); INSERT INTO t VALUES (1), (2), (3)')
  const url = natsUrl()
  await replicateOnce(at('app.db'), url)
  // It ends the context of a ranged read before it has read the answer, in some openings, also on
  // its own replicas: "fetch page index: read ltx page index: context canceled".
  let answer: string | undefined
  for (let attempt = 1; answer === undefined; attempt++) {
    const log = at(`log-${attempt}`)
    try {
      answer = await askOfficialVfs(url.replace(/\?.*$/, ''), 'SELECT sum(v) FROM t', log)
    } catch (error) {
      assert.ok(attempt < 20, String(error))
      assert.match(readFileSync(log, 'utf8'), /context canceled/, String(error))
    }
  }
  assert.equal(answer, '6')
})
