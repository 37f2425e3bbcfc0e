import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { isLitestreamError, type LitestreamError } from '../../src/errors.js'
import { formatFileName } from '../../src/ltx/file-name.js'
import { hydrateFile, restore } from '../../src/restore/restore.js'
import type { RestoreProgress } from '../../src/restore/restore-options.js'
import { openReplicaClient } from '../../src/storage/open.js'
import type { LtxFileRef, ReadResult, ReplicaClient } from '../../src/storage/replica-client.js'
import { History, hashFile } from '../support/history.js'
import { smallFileSystem } from '../support/small-file-system.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

async function fixture(t: TestContext, pageSize = 4096) {
  const dir = temporaryDirectory(t)
  const client = await openReplicaClient(`file://${dir}/replica`)
  const history = new History(path.join(dir, 'app.db'), client, pageSize)
  t.after(() => history.close())
  const file = (level: number, min: number, max = min) =>
    path.join(dir, 'replica/ltx', `${level}`, formatFileName(min, max))
  return { dir, client, history, output: path.join(dir, 'out', 'restored.db'), file }
}

/** A table that grows, changes in scattered places, shrinks and grows again. */
const STEPS = [
  'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX i ON t (v)',
  'INSERT INTO t (v) SELECT hex(randomblob(200)) FROM (WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<2000) SELECT * FROM n)',
  "UPDATE t SET v = 'x' || v WHERE id % 97 = 0",
  'DELETE FROM t WHERE id > 300; PRAGMA incremental_vacuum',
  "INSERT INTO t (v) SELECT 'again' || v FROM t",
  'UPDATE t SET v = v || id WHERE id % 50 = 0',
]

for (const pageSize of [512, 4096, 65536]) {
  test(`every TXID and every time is restored exactly, with pages of ${pageSize} bytes`, async (t) => {
    const { client, history, output } = await fixture(t, pageSize)
    for (const [i, sql] of STEPS.entries()) {
      await history.commit(sql)
      if (i === 2) await history.snapshot()
    }
    for (const [txid, hash] of history.hashes) {
      const result = await restore(client, { output, txid, force: true })
      assert.equal(hashFile(output), hash, `TXID ${txid}`)
      assert.deepEqual(
        [result.status, result.txid, result.timestamp.getTime()],
        ['restored', txid, history.times.get(txid)],
      )
      // A time is met by what was there strictly before it.
      await restore(client, { output, timestamp: history.times.get(txid)! + 1, force: true })
      assert.equal(hashFile(output), hash)
    }
    const late = await restore(client, { output, timestamp: Date.now() + 1e9, force: true, integrityCheck: 'full' })
    assert.equal(late.txid, STEPS.length)
    assert.equal(late.bytes, history.bytes.length)
    assert.equal((await restore(client, { output, force: true })).txid, STEPS.length)
    const hydrated = `${output}.copy`
    await hydrateFile(client, { output: hydrated })
    assert.equal(hashFile(hydrated), history.hashes.get(STEPS.length))
    assert.deepEqual(readdirSync(path.dirname(output)).sort(), ['restored.db', 'restored.db.copy'])
  })
}

test('a restore reads a superseded file completely, because only the frames show pages that the page index omits', async (t) => {
  const { client, history, output, file } = await fixture(t)
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
  await history.commit(
    'INSERT INTO t (v) SELECT randomblob(4000) FROM (WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<5000) SELECT * FROM n)',
  )
  await history.commit('UPDATE t SET v = randomblob(4000) WHERE id > 200')
  await restore(client, { output })
  assert.equal(hashFile(output), history.hashes.get(3))
  // A letter of a page that no plan needs any more.
  const bytes = readFileSync(file(0, 2))
  bytes[bytes.length >>> 1]! ^= 1
  writeFileSync(file(0, 2), bytes)
  await assert.rejects(restore(client, { output, force: true }), { code: 'LTX_CORRUPT' })
})

test('a dry run of a restore returns the plan and writes no file, and the reported progress of a restore ends at the size of the database', async (t) => {
  const { client, history, output, dir } = await fixture(t)
  await history.commit(STEPS[0]!)
  await history.commit(STEPS[1]!)
  const plan = await restore(client, { output, dryRun: true })
  assert.deepEqual([plan.status, plan.txid, plan.plan.length], ['planned', 2, 2])
  assert.ok(!existsSync(path.join(dir, 'out')))
  const seen: RestoreProgress[] = []
  await restore(client, { output, onProgress: (progress) => seen.push(progress) })
  const pages = seen.filter((progress) => progress.phase === 'pages')
  assert.deepEqual([pages.at(-1)!.written, pages.at(-1)!.total], [history.bytes.length, history.bytes.length])
  assert.deepEqual(seen.at(-1), { phase: 'check', check: 'quick' })
})

test('a restore refuses an existing database, a directory and stale -wal or -shm files, but with force replaces the database and these files', async (t) => {
  const { client, history, output } = await fixture(t)
  await history.commit(STEPS[0]!)
  mkdirSync(output, { recursive: true })
  await assert.rejects(restore(client, { output, force: true }), { code: 'OUTPUT_EXISTS' })
  rmSync(output, { recursive: true })

  writeFileSync(output, '')
  await restore(client, { output })
  await assert.rejects(restore(client, { output }), { code: 'OUTPUT_EXISTS', file: output })
  assert.equal((await restore(client, { output, ifDbNotExists: true })).status, 'output-exists')

  for (const suffix of ['-wal', '-shm', '-journal']) {
    rmSync(output, { force: true })
    writeFileSync(output + suffix, 'stale')
    await assert.rejects(restore(client, { output }), { code: 'OUTPUT_EXISTS', file: output + suffix })
    await restore(client, { output, force: true })
    assert.ok(!existsSync(output + suffix))
    assert.equal(hashFile(output), history.hashes.get(1))
  }
})

test('a restore fails with an empty replica, with a missing TXID and with a time before the first file', async (t) => {
  const { client, history, output } = await fixture(t)
  await assert.rejects(restore(client, { output }), { code: 'REPLICA_EMPTY' })
  assert.equal((await restore(client, { output, ifReplicaExists: true })).status, 'no-replica')
  await history.commit(STEPS[0]!)
  await assert.rejects(restore(client, { output, txid: 2 }), { code: 'TXID_NOT_AVAILABLE' })
  await assert.rejects(restore(client, { output, timestamp: history.times.get(1)! }), { code: 'TXID_NOT_AVAILABLE' })
  await assert.rejects(restore(client, { output, txid: 1, timestamp: 1 }), { code: 'INVALID_ARGUMENT' })
})

test('the error of a restore names a gap, damage, a truncated file or a wrong page size, and the restore leaves no file', async (t) => {
  const { client, history, output, file, dir } = await fixture(t)
  for (const sql of STEPS) await history.commit(sql)
  const victim = file(0, 2)
  const good = readFileSync(victim)
  const gone = () => assert.deepEqual(readdirSync(path.join(dir, 'out')), [])

  const bad = Buffer.from(good)
  bad[good.length >> 1]! ^= 0xff
  writeFileSync(victim, bad)
  await assert.rejects(restore(client, { output }), (error: Error & { code: string; file: string }) => {
    assert.equal(error.code, 'LTX_CORRUPT')
    assert.match(error.file, /level 0 0000000000000002-0000000000000002\.ltx/)
    return true
  })
  gone()
  for (const size of [good.length - 1, 90, 0]) {
    writeFileSync(victim, good)
    truncateSync(victim, size)
    await assert.rejects(restore(client, { output }), { code: 'LTX_CORRUPT' }, `size ${size}`)
  }
  rmSync(victim)
  await assert.rejects(restore(client, { output }), { code: 'LTX_GAP' })
  gone()

  writeFileSync(victim, good)
  const other = await fixture(t, 8192)
  for (const sql of STEPS.slice(0, 2)) await other.history.commit(sql)
  writeFileSync(victim, readFileSync(other.file(0, 2)))
  await assert.rejects(restore(client, { output }), { code: 'PAGE_SIZE_MISMATCH' })
  gone()
})

test("if the primary's own database is damaged, a restore warns, and with an explicit check fails and keeps the existing database", async (t) => {
  const { client, history, output, dir } = await fixture(t)
  for (const sql of STEPS.slice(0, 2)) await history.commit(sql)
  const bytes = Buffer.from(history.bytes)
  // The cell pointers of some b-tree page.
  bytes.fill(0xff, 4096 * 20 + 4, 4096 * 20 + 40)
  const { LtxEncoder } = await import('../../src/ltx/encoder.js')
  const encoder = new LtxEncoder({ pageSize: 4096, commit: bytes.length / 4096, minTxid: 3, maxTxid: 3 })
  const page = bytes.subarray(4096 * 20, 4096 * 21)
  const body = Buffer.concat([encoder.start(), encoder.pages(Uint32Array.of(21), page), encoder.finish()])
  await client.write({ level: 0, minTxid: 3, maxTxid: 3 }, body, { timestamp: history.time })
  const result = await restore(client, { output })
  assert.deepEqual([result.status, result.integrity?.outcome, result.warnings.length], ['restored', 'damaged', 1])
  assert.match(result.warnings[0]!, /restored\.db: the structure of the b-trees is damaged: .*All checksums match/s)
  assert.deepEqual(readFileSync(output), bytes)
  rmSync(output)
  for (const integrityCheck of ['quick', 'full'] as const) {
    await assert.rejects(restore(client, { output, integrityCheck }), (error: LitestreamError) => {
      assert.equal(error.code, 'INTEGRITY_CHECK_FAILED')
      // One that an earlier attempt kept is replaced.
      assert.deepEqual(readdirSync(path.join(dir, 'out')), [path.basename(error.file!)])
      assert.ok(error.message.includes(error.file!))
      assert.deepEqual(readFileSync(error.file!), bytes)
      return true
    })
  }
  const unchecked = await restore(client, { output, integrityCheck: 'none' })
  assert.deepEqual([unchecked.integrity, unchecked.warnings], [undefined, []])
  await restore(client, { output, txid: 2, force: true })
  const db = new Database(output, { readonly: true })
  assert.equal(db.pragma('integrity_check', { simple: true }), 'ok')
  db.close()
})

test('if files are deleted during a restore, the restore reads the files that replaced them', async (t) => {
  const { client, history, output, file } = await fixture(t)
  for (const sql of STEPS) await history.commit(sql)
  // What compaction and retention do, at the worst moment: after the plan, before the first read.
  let vanished = false
  const racing = new Proxy(client, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown
      if (name !== 'read') return typeof value === 'function' ? value.bind(target) : value
      return async (...args: Parameters<typeof client.read>) => {
        if (!vanished) {
          vanished = true
          await history.snapshot()
          for (let txid = 1; txid <= STEPS.length; txid++) rmSync(file(0, txid))
        }
        return target.read(...args)
      }
    },
  })
  const result = await restore(racing, { output })
  assert.equal(hashFile(output), history.hashes.get(STEPS.length))
  assert.deepEqual(
    result.plan.map(({ level }) => level),
    [9],
  )
})

test('a cancelled restore leaves no file', async (t) => {
  const { client, history, output, dir } = await fixture(t)
  for (const sql of STEPS) await history.commit(sql)
  const stop = new AbortController()
  const running = restore(client, { output, signal: stop.signal, onProgress: () => stop.abort() })
  await assert.rejects(running, { code: 'ABORTED' })
  assert.deepEqual(readdirSync(path.join(dir, 'out')), [])
})

test('a restore reads a small file with one request, and a large file with a few requests for segments', async (t) => {
  const { client, history, output } = await fixture(t)
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
  for (let i = 0; i < 40; i++) await history.commit(`INSERT INTO t (v) VALUES (randomblob(${i * 100}))`)
  await history.commit(
    'INSERT INTO t (v) SELECT randomblob(4000) FROM (WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<1500) SELECT * FROM n)',
  )
  const before = client.stats()
  await restore(client, { output })
  const after = client.stats()
  assert.equal(hashFile(output), history.hashes.get(42))
  assert.equal(after.LIST.requests - before.LIST.requests, 10)
  // 41 small files; of the large one its end, its header, and three segments of 2 MiB.
  assert.equal(after.GET.requests - before.GET.requests, 41 + 2 + 3)
  assert.equal(after.HEAD.requests - before.HEAD.requests, 0)
})

/** A client whose reads pass through `change`, which may change the bytes. */
function changedReads(client: ReplicaClient, change: (file: LtxFileRef, read: ReadResult) => void): ReplicaClient {
  return new Proxy(client, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown
      if (name !== 'read') return typeof value === 'function' ? value.bind(target) : value
      return async (...args: Parameters<typeof client.read>) => {
        const read = await target.read(...args)
        change(args[0], read)
        return read
      }
    },
  })
}

for (const pageSize of [512, 4096, 65536]) {
  test(`large files that overlap are restored from segments in any order, with pages of ${pageSize} bytes`, async (t) => {
    const { client, history, output } = await fixture(t, pageSize)
    await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
    const rows =
      'SELECT randomblob(2000) FROM (WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<4000) SELECT * FROM n)'
    await history.commit(`INSERT INTO t (v) ${rows}`)
    await history.snapshot()
    await history.commit('UPDATE t SET v = randomblob(2000) WHERE id % 3 = 0')
    await history.commit('UPDATE t SET v = randomblob(2000) WHERE id % 5 = 0')
    await history.commit('DELETE FROM t WHERE id > 3000; PRAGMA incremental_vacuum')
    await history.commit(`INSERT INTO t (v) ${rows}`)
    // The sizes of the reads of one file, by level and offset.
    const read = new Map<string, number>()
    const counting = changedReads(client, (file, { data, offset }) => {
      if (file.maxTxid !== 2 || offset === 0) return
      const name = `${file.level} ${offset}`
      read.set(name, (read.get(name) ?? 0) + data.length)
    })
    for (const integrityCheck of ['none', 'quick'] as const) {
      read.clear()
      await restore(counting, { output, force: true, integrityCheck })
      assert.equal(hashFile(output), history.hashes.get(6))
      assert.ok(read.size > 4)
      assert.ok([...read.values()].every((bytes) => bytes <= 2 * 1024 * 1024))
    }
  })
}

test('a restore requests a segment again if the segment was damaged in transit, and names the page that is damaged in the store', async (t) => {
  const { client, history, output, file } = await fixture(t)
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
  await history.commit(
    'INSERT INTO t (v) SELECT randomblob(4000) FROM (WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<1500) SELECT * FROM n)',
  )
  // Bytes of a payload, of a frame header, and of the first page.
  for (const at of [3_000_000, undefined, 120]) {
    let left = 1
    const flaky = changedReads(client, ({ maxTxid }, { data, offset }) => {
      if (maxTxid !== 2 || data.length < 1_000_000 || left-- <= 0) return
      if (at === undefined) data[4]! ^= 0x80
      else data[Math.max(at - offset, 20)]! ^= 1
    })
    const { warnings } = await restore(flaky, { output, force: true })
    assert.deepEqual([warnings, hashFile(output)], [[], history.hashes.get(2)])
  }
  const bytes = readFileSync(file(0, 2))
  bytes[3_000_000]! ^= 1
  writeFileSync(file(0, 2), bytes)
  await assert.rejects(restore(client, { output, force: true }), (error) => {
    assert.ok(isLitestreamError(error, 'LTX_CORRUPT'))
    assert.match(error.message, /0000000000000002\.ltx/)
    return true
  })
  assert.equal(hashFile(output), history.hashes.get(2), 'the old database was replaced')
})

test('if the disk is full, the error of a restore names the file, and the restore leaves no file', async (t) => {
  const { dir, client, history } = await fixture(t)
  await history.commit('CREATE TABLE t (v BLOB)')
  await history.commit('INSERT INTO t VALUES (randomblob(1000000))')
  const disk = path.join(dir, 'disk')
  const small = smallFileSystem(t, disk, '512k')
  assert.ok(small, 'a disk of our own needs root, as the servers of the tests do')
  const output = path.join(disk, 'restored.db')
  await assert.rejects(restore(client, { output }), (error) => {
    assert.ok(isLitestreamError(error, 'DISK_FULL'))
    assert.match(error.message, /restored\.db/)
    assert.match(error.hint, /Free space/)
    return true
  })
  assert.deepEqual(readdirSync(disk), [])
  small.grow('8m')
  await restore(client, { output })
  assert.equal(hashFile(output), history.hashes.get(2))
})
