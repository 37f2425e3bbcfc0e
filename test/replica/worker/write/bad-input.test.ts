// What a writer cannot do, and each fault of its surroundings: the code of SQLite, and the reason
// with the next step.
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import type Database from 'better-sqlite3'
import { isLitestreamError } from '../../../../src/errors.js'
import { openReplica } from '../../../../src/replica/handle/open-replica.js'
import type { ReplicaOptions, ReplicaWriteOptions } from '../../../../src/replica/options.js'
import { ageKey } from '../../../support/age.js'
import { asNobody } from '../../../support/as-nobody.js'
import { runScript } from '../../../support/child.js'
import { cleanUp } from '../../../support/clean-up.js'
import { notRun } from '../../../support/not-run.js'
import { startProxyProcess } from '../../../support/proxy-process.js'
import { s3Bucket, s3Server, s3Url } from '../../../support/s3.js'
import { smallFileSystem } from '../../../support/small-file-system.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'
import {
  codeOf,
  emptyReplicaUrl,
  makeWritten,
  openForWriting,
  restoredDatabase,
} from '../../../support/written-replica.js'

const reasonOf = (db: Database.Database) => db.prepare('SELECT litestream_error()').pluck().get() as string
const countOf = (db: Database.Database) => db.prepare('SELECT count(*) FROM t').pluck().get() as number

async function s3Place(t: TestContext): Promise<string> {
  return s3Bucket({ after: (step: unknown) => cleanUp(t, step as () => unknown) } as TestContext)
}

/** A replica with an empty table `t (x)`. */
async function withTable(t: TestContext, url: string, options: ReplicaOptions = {}): Promise<void> {
  const { replica, db } = await openForWriting(t, url, options)
  db.exec('CREATE TABLE t (x)')
  db.close()
  await replica.close()
}

const local = (bufferPath?: string): ReplicaWriteOptions => ({
  ...{ durability: 'local', lease: false, syncInterval: '1h' },
  ...(bufferPath === undefined ? {} : { bufferPath }),
})

test('if the writer may not write to the store, COMMIT fails with SQLITE_PERM and ACCESS_DENIED, and the transaction is rolled back', async (t) => {
  const { db, files } = await makeWritten(t)
  db.exec('CREATE TABLE t (x)')
  const folder = path.join(files, 'ltx/0')
  chmodSync(folder, 0o555)
  cleanUp(t, () => chmodSync(folder, 0o755))
  await asNobody(async () => {
    assert.equal(
      codeOf(() => db.exec('INSERT INTO t VALUES (1)')),
      'SQLITE_PERM',
    )
    assert.match(reasonOf(db), /^ACCESS_DENIED: .*ltx/)
  })
  assert.equal(countOf(db), 0)
  db.exec('INSERT INTO t VALUES (2)')
  assert.equal(countOf(db), 1)
})

test('if a store has no create-only PUT, a write transaction is refused at its start', async (t) => {
  const bucket = await s3Place(t)
  const { replica, db } = await openForWriting(t, `${s3Url(bucket)}&conditional-writes=never`)
  assert.equal(
    codeOf(() => db.exec('CREATE TABLE t (x)')),
    'SQLITE_IOERR_LOCK',
  )
  assert.match(
    reasonOf(db),
    /^STORAGE_FAILED: .*writing through the VFS needs conditional writes, and `conditional-writes/,
  )
  assert.equal(replica.txid, 0)
})

test('if a replica went back to an earlier TXID, the buffer does not continue the replica', async (t) => {
  const { directory, files, url } = emptyReplicaUrl(t)
  await withTable(t, url)
  const buffer = path.join(directory, 'app.buffer')
  const { replica, db } = await openForWriting(t, url, { write: local(buffer) })
  db.exec('INSERT INTO t VALUES (1)')
  await replica.flush()
  db.exec('INSERT INTO t VALUES (2)')
  rmSync(path.join(files, 'ltx/0', '0000000000000002-0000000000000002.ltx'))
  // The worker of this process has the buffer open: the next one reads a copy.
  const copy = path.join(directory, 'copy.buffer')
  copyFileSync(buffer, copy)
  await assert.rejects(openReplica(url, { write: local(copy), cacheSize: '3MiB' }), (error) => {
    assert.ok(isLitestreamError(error, 'WRITE_CONFLICT'))
    assert.match(
      error.message,
      /copy\.buffer.*follow TXID 0000000000000002, but the replica is at TXID 0000000000000001/,
    )
    assert.match(error.hint ?? '', /buffer show/)
    return true
  })
})

test('if the disk of the buffer is full, a commit gets SQLITE_FULL, no earlier commit is lost, and an upload frees space', async (t) => {
  const { directory, url } = emptyReplicaUrl(t)
  await withTable(t, url)
  const disk = path.join(directory, 'disk')
  const small = smallFileSystem(t, disk, '256k')
  if (!small) return notRun(t, 'a small disk', 'mount is not permitted')
  const buffer = path.join(disk, 'app.buffer')
  const { replica, db } = await openForWriting(t, url, { write: local(buffer) })
  replica.on('error', () => {})
  const fill = () => {
    for (let rows = 0; ; rows++) {
      const code = codeOf(() => db.exec('INSERT INTO t VALUES (randomblob(9000))'))
      if (code === undefined) continue
      assert.equal(code, 'SQLITE_FULL')
      return rows
    }
  }
  const first = fill()
  assert.ok(first > 5)
  assert.match(reasonOf(db), /^DISK_FULL: .*write buffer .*app\.buffer/)
  assert.equal(countOf(db), first)
  // The upload is announced in the buffer, for which a full disk has no room.
  small.grow('512k')
  await replica.flush()
  const second = fill()
  assert.ok(second > 5)
  small.grow('4m')
  await replica.flush()
  db.close()
  await replica.close()
  assert.equal(countOf(await restoredDatabase(t, url)), first + second)
})

test('if the disk for temporary files is full, a transaction gets SQLITE_FULL, and the next transaction succeeds', async (t) => {
  const { directory, url } = emptyReplicaUrl(t)
  await withTable(t, url)
  const disk = path.join(directory, 'disk')
  if (!smallFileSystem(t, disk, '8m')) return notRun(t, 'a small disk', 'mount is not permitted')
  const script = `
    const { openReplica } = await import(src + '/index.js')
    const { default: Database } = await import('better-sqlite3')
    const replica = await openReplica(process.env.URL, { write: { lease: false } })
    const db = new Database(replica.uri)
    db.pragma('cache_size = 50')
    const count = () => db.prepare('SELECT count(*) FROM t').pluck().get()
    const fill = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 16000) INSERT INTO t SELECT randomblob(4000) FROM n'
    try { db.exec(fill) } catch (error) { console.log(error.code, count(), db.inTransaction) }
    db.exec('INSERT INTO t VALUES (1)')
    console.log(count())
    db.close()
    await replica.close()
    process.exit(0)
  `
  const child = runScript(t, script, { URL: url, SQLITE_TMPDIR: disk })
  assert.equal(await child.ended, 0, child.errors())
  assert.equal(child.output(), 'SQLITE_FULL 0 false\n1\n')
  assert.equal(countOf(await restoredDatabase(t, url)), 1)
})

test('a transaction that exceeds the largest database size gets SQLITE_FULL and is rolled back', async (t) => {
  const { db, replica } = await makeWritten(t)
  db.exec('CREATE TABLE t (x); PRAGMA max_page_count = 10')
  assert.equal(
    codeOf(() => db.exec('INSERT INTO t VALUES (zeroblob(100000))')),
    'SQLITE_FULL',
  )
  assert.equal(replica.txid, 1)
  db.exec('INSERT INTO t VALUES (1)')
  assert.equal(countOf(db), 1)
})

test('without its key, an encrypted replica cannot be opened for writing, and gets no unencrypted file', async (t) => {
  const key = ageKey(t)
  const other = ageKey(t)
  const { files, url } = emptyReplicaUrl(t)
  const settings = { identities: key.identity, recipients: key.recipient }
  await withTable(t, url, { encryption: settings })
  const names = () => readdirSync(path.join(files, 'ltx/0'))
  const wrong = { identities: other.identity, recipients: other.recipient }
  await assert.rejects(
    openReplica(url, { write: true }),
    (error) => isLitestreamError(error) && error.hint !== undefined,
  )
  await assert.rejects(openReplica(url, { write: true, encryption: wrong }), { code: 'DECRYPTION_FAILED' })
  assert.deepEqual(names(), ['0000000000000001-0000000000000001.ltx'])
  const { db } = await openForWriting(t, url, { encryption: settings })
  db.exec('INSERT INTO t VALUES (1)')
  assert.equal(countOf(db), 1)
  assert.equal(names().length, 2)
})

test('S3: while the store is unavailable, local commits continue up to 64 MiB, and then get SQLITE_BUSY until the store is available', async (t) => {
  const bucket = await s3Place(t)
  const direct = s3Url(bucket)
  await withTable(t, direct)
  const proxy = await startProxyProcess(s3Server().endpoint)
  cleanUp(t, () => proxy.close())
  const buffer = path.join(temporaryDirectory(t), 'app.buffer')
  // Every page stays in memory: what the store has cannot be read meanwhile.
  const options = { write: local(buffer), readTimeout: '10s', pollInterval: '10m', cacheSize: '256MiB' } as const
  const { replica, db } = await openForWriting(t, s3Url(bucket, 'app.db', proxy.url), options)
  replica.on('error', () => {})
  db.pragma('busy_timeout = 0')
  await proxy.down()
  const insert = (rows: number) =>
    codeOf(() =>
      db.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
        INSERT INTO t SELECT randomblob(4000) FROM n`),
    )
  let commits = 0
  let code: string | undefined
  for (code = insert(1000); code === undefined; code = insert(1000)) commits++
  assert.equal(code, 'SQLITE_BUSY')
  assert.match(reasonOf(db), /^TIMEOUT/)
  // 4 MiB each: the one that goes beyond the limit is the last.
  assert.ok(commits >= 16 && commits <= 17, `${commits} commits`)
  assert.ok(statSync(buffer).size < 80 * 1024 * 1024)
  assert.equal(countOf(db), commits * 1000)
  await proxy.up()
  await replica.flush()
  assert.equal(insert(1), undefined)
  db.close()
  await replica.close()
  assert.ok(!existsSync(buffer))
  const reader = await openReplica(direct, { cacheSize: '3MiB' })
  cleanUp(t, () => reader.close())
  assert.equal(reader.txid, 3)
})
