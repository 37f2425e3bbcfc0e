// What a process finds that takes over a buffer: the files of the replica and the buffer as they
// were at a moment, as a kill leaves them.
import assert from 'node:assert/strict'
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type Database from 'better-sqlite3'
import { openReplica } from '../../../../src/replica/handle/open-replica.js'
import type { ReplicaOptions } from '../../../../src/replica/options.js'
import { openReplicaClient } from '../../../../src/storage/open.js'
import { runScript } from '../../../support/child.js'
import { cleanUp } from '../../../support/clean-up.js'
import { collect } from '../../../support/collect.js'
import { startProxyProcess } from '../../../support/proxy-process.js'
import { s3Bucket, s3Server, s3Url } from '../../../support/s3.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'
import { until } from '../../../support/until.js'
import { emptyReplicaUrl, openForWriting, restoredDatabase } from '../../../support/written-replica.js'

const rowsOf = (db: Database.Database) => db.prepare('SELECT x FROM t ORDER BY x').pluck().all() as number[]

/** A replica in a folder, and a buffer beside it. */
class Place {
  readonly #t: TestContext
  readonly #directory: string
  readonly #files: string
  readonly url: string
  readonly buffer: string
  #images = 0

  constructor(t: TestContext) {
    const { directory, files, url } = emptyReplicaUrl(t)
    this.#t = t
    this.#directory = directory
    this.#files = files
    this.url = url
    this.buffer = path.join(directory, 'app.buffer')
  }

  options(syncInterval = '1h'): ReplicaOptions {
    return {
      pollInterval: '10m',
      write: { durability: 'local', lease: false, syncInterval, bufferPath: this.buffer },
    }
  }

  /** Runs SQL in a process with the buffer, and ends it with an image of both from before its close. */
  async kill(...statements: readonly (string | (() => Promise<void>))[]): Promise<void> {
    const replica = await openReplica(this.url, this.options())
    const { default: Driver } = await import('better-sqlite3')
    const db = new Driver(replica.uri)
    for (const statement of statements) {
      if (typeof statement === 'string') db.exec(statement)
      else {
        await statement()
        await replica.refresh()
      }
    }
    const restore = this.image()
    db.close()
    await replica.close()
    restore()
  }

  /**
   * Copies the write buffer and the replica in a state that a crash at this time would leave. The
   * returned function replaces the write buffer and the replica with the copies.
   */
  image(): () => void {
    for (let attempts = 0; attempts < 1000; attempts++) {
      const copy = path.join(this.#directory, `image-${++this.#images}`)
      const before = this.#bufferBytes()
      this.#copyReplica(copy)
      // The worker writes to the buffer before each upload and after it. If the buffer has not
      // changed, the copies are of one moment.
      if (isDeepStrictEqual(this.#bufferBytes(), before)) return this.#restorer(copy, before)
    }
    throw new Error('the buffer changed during each copy of the replica')
  }

  #bufferBytes(): Buffer | undefined {
    try {
      return readFileSync(this.buffer)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  #copyReplica(copy: string): void {
    const l0 = path.join(this.#files, 'ltx/0')
    mkdirSync(path.join(copy, 'ltx/0'), { recursive: true })
    for (const name of readdirSync(l0)) {
      // Temporary files of the worker come and go.
      if (name.endsWith('.ltx')) copyFileSync(path.join(l0, name), path.join(copy, 'ltx/0', name))
    }
  }

  #restorer(copy: string, buffer: Buffer | undefined): () => void {
    return () => {
      rmSync(this.#files, { recursive: true })
      rmSync(this.buffer, { force: true })
      cpSync(copy, this.#files, { recursive: true })
      if (buffer !== undefined) writeFileSync(this.buffer, buffer, { mode: 0o600 })
    }
  }

  /** Another process writes to the store. */
  async write(...statements: readonly string[]): Promise<void> {
    const { replica, db } = await openForWriting(this.#t, this.url, { cacheSize: '3MiB' })
    for (const statement of statements) db.exec(statement)
    db.close()
    await replica.close()
  }

  reset(): void {
    rmSync(this.#files, { recursive: true })
  }

  /** The rows that the next process finds and uploads. */
  async recovered(): Promise<readonly number[]> {
    const { replica, db } = await openForWriting(this.#t, this.url, this.options())
    const rows = rowsOf(db)
    await replica.flush()
    assert.deepEqual(rowsOf(db), rows)
    db.close()
    await replica.close()
    assert.deepEqual(rowsOf(await restoredDatabase(this.#t, this.url)), rows)
    return rows
  }
}

test('the next process takes over local commits that follow the commit that created the replica', async (t) => {
  const place = new Place(t)
  await place.kill('CREATE TABLE t (x)', 'INSERT INTO t VALUES (1)', 'INSERT INTO t VALUES (2)')
  assert.deepEqual(await place.recovered(), [1, 2])
})

test('the next process takes over local commits that follow a commit with synchronous = FULL', async (t) => {
  const place = new Place(t)
  await place.write('CREATE TABLE t (x)')
  const store = 'PRAGMA synchronous = FULL; INSERT INTO t VALUES (2); PRAGMA synchronous = NORMAL'
  await place.kill('INSERT INTO t VALUES (1)', store, 'INSERT INTO t VALUES (3)')
  assert.deepEqual(await place.recovered(), [1, 2, 3])
})

test('the next process takes over local commits that follow a commit of another writer', async (t) => {
  const place = new Place(t)
  await place.write('CREATE TABLE t (x)')
  await place.kill(() => place.write('INSERT INTO t VALUES (1)'), 'INSERT INTO t VALUES (2)')
  assert.deepEqual(await place.recovered(), [1, 2])
})

test('if a replica was reset and has again reached the buffer’s TXID, the buffer does not continue the replica', async (t) => {
  const place = new Place(t)
  await place.write('CREATE TABLE t (x)', 'CREATE TABLE u (y)')
  await place.kill('INSERT INTO t VALUES (1)')
  place.reset()
  await place.write('CREATE TABLE v (z)', 'CREATE TABLE t (x)')
  await assert.rejects(openReplica(place.url, place.options()), {
    code: 'WRITE_CONFLICT',
    file: place.buffer,
    message: /was reset/,
  })
})

test('while commits and uploads run, the buffer and the replica together have every acknowledged commit at every moment', async (t) => {
  const place = new Place(t)
  await place.write('CREATE TABLE t (x INTEGER PRIMARY KEY)')
  const { replica, db } = await openForWriting(t, place.url, place.options('1ms'))
  const images: { readonly count: number; readonly restore: () => void }[] = []
  for (let x = 1; x <= 150; x++) {
    db.exec(`INSERT INTO t VALUES (${x})`)
    if (x % 30 === 7) images.push({ count: x, restore: place.image() })
  }
  db.close()
  await replica.close()
  for (const { count, restore } of images) {
    restore()
    const rows = await place.recovered()
    assert.deepEqual(
      rows,
      Array.from({ length: count }, (_, i) => i + 1),
    )
  }
})

test('if the buffer is removed or replaced during use, the next commit writes a new buffer with every commit that was not uploaded', async (t) => {
  const place = new Place(t)
  await place.write('CREATE TABLE t (x)')
  const { replica, db } = await openForWriting(t, place.url, place.options())
  db.exec('INSERT INTO t VALUES (1)')
  rmSync(place.buffer)
  db.exec('INSERT INTO t VALUES (2)')
  writeFileSync(`${place.buffer}.other`, 'something else')
  renameSync(`${place.buffer}.other`, place.buffer)
  db.exec('INSERT INTO t VALUES (3)')
  const restore = place.image()
  db.close()
  await replica.close()
  restore()
  assert.deepEqual(await place.recovered(), [1, 2, 3])
})

test('if another writer commits during a local commit, no view mixes the two commits', async (t) => {
  const place = new Place(t)
  await place.write('CREATE TABLE t (x INTEGER PRIMARY KEY)')
  const other = await openForWriting(t, place.url, { cacheSize: '5MiB', pollInterval: '10m' })
  for (let round = 1; round <= 8; round++) {
    await other.replica.refresh()
    const options = { ...place.options(), pollInterval: '1ms', write: { durability: 'local', lease: false } } as const
    const { replica, db } = await openForWriting(t, place.url, options)
    const before = rowsOf(db)
    db.exec(`BEGIN IMMEDIATE; INSERT INTO t VALUES (${2 * round})`)
    other.db.exec(`INSERT INTO t VALUES (${2 * round + 1})`)
    let isCommitted = true
    try {
      db.exec('COMMIT')
    } catch (error) {
      isCommitted = false
      assert.equal((error as { code?: string }).code, 'SQLITE_BUSY_SNAPSHOT')
    }
    const expected = isCommitted ? [...before, 2 * round] : [...before, 2 * round + 1]
    if (!isCommitted) await replica.refresh()
    assert.deepEqual(rowsOf(db), expected)
    if (isCommitted) await assert.rejects(replica.flush(), { code: 'WRITE_CONFLICT' })
    db.close()
    await replica.close()
  }
  const restored = rowsOf(await restoredDatabase(t, place.url))
  assert.deepEqual(restored, [3, 5, 7, 9, 11, 13, 15, 17])
})

// Inserts a row, starts an upload, inserts another row during it, and reports each step.
const SCRIPT = `
  const { openReplica } = await import(src + '/index.js')
  const { default: Database } = await import('better-sqlite3')
  const replica = await openReplica(process.env.URL, JSON.parse(process.env.OPTIONS))
  replica.on('error', () => {})
  const db = new Database(replica.uri)
  db.exec('INSERT INTO t VALUES (1)')
  const flushed = replica.flush()
  db.exec('INSERT INTO t VALUES (2)')
  console.log('both')
  await flushed
  console.log('flushed')
  setInterval(() => {}, 1000)
`

interface OnS3 {
  readonly direct: string
  readonly proxied: string
  readonly options: ReplicaOptions
  readonly buffer: string
  readonly proxy: Awaited<ReturnType<typeof startProxyProcess>>
  readonly child: () => ReturnType<typeof runScript>
}

async function onS3(t: TestContext): Promise<OnS3> {
  const bucket = await s3Bucket({ after: (step: unknown) => cleanUp(t, step as () => unknown) } as TestContext)
  const proxy = await startProxyProcess(s3Server().endpoint)
  cleanUp(t, () => proxy.close())
  const buffer = path.join(temporaryDirectory(t), 'app.buffer')
  const direct = s3Url(bucket)
  const { replica, db } = await openForWriting(t, direct)
  db.exec('CREATE TABLE t (x)')
  db.close()
  await replica.close()
  const write = { durability: 'local', lease: false, syncInterval: '1h', bufferPath: buffer } as const
  const options = { pollInterval: '10m', write } as const
  const proxied = s3Url(bucket, 'app.db', proxy.url)
  const env = { URL: proxied, OPTIONS: JSON.stringify(options) }
  return { direct, proxied, options, buffer, proxy, child: () => runScript(t, SCRIPT, env) }
}

const PUT_FILE = { kind: 'PUT', url: '.ltx' } as const

test('S3: a commit made during a slow upload stays in the buffer after the upload', async (t) => {
  const { child, direct, options, proxy } = await onS3(t)
  const slow = await proxy.fault({ type: 'slowStart', ms: 400 }, PUT_FILE, 1)
  const killed = child()
  await until('the end of the upload', () => killed.output().includes('flushed'))
  killed.process.kill('SIGKILL')
  await killed.ended
  assert.equal(await slow.hits(), 1)
  assert.match(killed.output(), /both\nflushed/)
  const { replica, db } = await openForWriting(t, direct, options)
  assert.deepEqual(rowsOf(db), [1, 2])
  assert.equal((await replica.workerStats()).writes!.pending, 1)
  await replica.flush()
  assert.deepEqual(rowsOf(await restoredDatabase(t, direct)), [1, 2])
})

test('S3: an upload that reaches the store after the next process has opened the buffer is not taken for a file of another writer', async (t) => {
  const { child, direct, options, proxied, proxy } = await onS3(t)
  const late = await proxy.fault({ type: 'late', ms: 4000 }, PUT_FILE, 1000)
  const killed = child()
  await until('the upload', async () => killed.output().includes('both') && (await late.hits()) > 0)
  killed.process.kill('SIGKILL')
  await killed.ended
  const client = await openReplicaClient(direct)
  cleanUp(t, () => client.close())
  const count = async () => (await collect(client.list(0))).length
  await late.remove()
  const refused = await proxy.fault({ type: 'status', status: 403, code: 'AccessDenied' }, PUT_FILE, 1000)
  const { replica, db } = await openForWriting(t, proxied, options)
  await assert.rejects(replica.flush(), { code: 'ACCESS_DENIED' })
  assert.equal(await count(), 1)
  await until('the late upload', async () => (await count()) === 2)
  const conflicts: Error[] = []
  replica.on('conflict', (error) => conflicts.push(error))
  await refused.remove()
  // A poll sees it before the upload does.
  await replica.refresh()
  assert.deepEqual(rowsOf(db), [1, 2])
  db.exec('INSERT INTO t VALUES (3)')
  await replica.flush()
  assert.deepEqual(conflicts, [])
  assert.deepEqual(rowsOf(await restoredDatabase(t, direct)), [1, 2, 3])
  assert.deepEqual(rowsOf(await restoredDatabase(t, direct, 2)), [1])
})
