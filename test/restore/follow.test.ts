import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { compact } from '../../src/compaction/compact.js'
import { createSnapshot } from '../../src/compaction/snapshot.js'
import { listLevels } from '../../src/levels/plan.js'
import { formatFileName } from '../../src/ltx/file-name.js'
import { follow } from '../../src/restore/follow.js'
import { openReplicaClient } from '../../src/storage/open.js'
import type { ReplicaClient } from '../../src/storage/replica-client.js'
import { wrapClient } from '../../src/storage/wrap-client.js'
import { forgedLtx, putLtx } from '../support/forged-ltx.js'
import { History, hashFile } from '../support/history.js'
import { putFile } from '../support/put-file.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

async function fixture(t: TestContext, pageSize = 4096) {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const client = await openReplicaClient(url)
  const history = new History(path.join(dir, 'app.db'), client, pageSize)
  t.after(() => history.close())
  let n = 1
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, n, total, filler)')
  /**
   * Every change touches every row, so that a mixture of two states shows; the database grows and
   * shrinks.
   */
  const change = async () => {
    n++
    const rows = 20 + ((n * 37) % 300)
    await history.commit(`DELETE FROM t; INSERT INTO t (n, total, filler)
      WITH RECURSIVE s(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM s WHERE i<${rows})
      SELECT ${n}, ${rows}, hex(randomblob(100)) FROM s; PRAGMA incremental_vacuum`)
  }
  await change()
  return { dir, url, client, history, change, output: path.join(dir, 'follower.db') }
}

/** Starts following in this process; `txid` is where it is. */
function following(t: TestContext, client: ReplicaClient, output: string) {
  const stop = new AbortController()
  const state = { txid: 0, errors: [] as unknown[] }
  const done = follow(client, {
    output,
    interval: 5,
    signal: stop.signal,
    onAdvance: ({ txid }) => {
      state.txid = txid
    },
    onError: (error) => state.errors.push(error),
  })
  t.after(() => stop.abort())
  const end = () => {
    stop.abort()
    return done
  }
  return { state, done, stop: end }
}

/**
 * The header's fields that a following database has of its own: format version, change counter,
 * page count, valid-for.
 */
function withoutHeader(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  for (const [from, to] of [
    [18, 20],
    [24, 32],
    [92, 96],
  ] as const)
    copy.fill(0, from, to)
  return copy
}

const same = (a: Buffer, b: Buffer) => Buffer.compare(withoutHeader(a), withoutHeader(b)) === 0

for (const pageSize of [512, 4096, 65536]) {
  test(`the database of a follower equals the primary’s database page for page, pages of ${pageSize} bytes`, async (t) => {
    const { client, history, change, output } = await fixture(t, pageSize)
    const { state, stop } = following(t, client, output)
    for (let i = 0; i < 6; i++) {
      await change()
      await until(`TXID ${history.txid} arrives`, () => state.txid === history.txid)
      assert.ok(same(readFileSync(output), history.bytes))
      assert.equal(readFileSync(`${output}-txid`, 'utf8'), `${history.txid.toString(16).padStart(16, '0')}\n`)
    }
    await stop()
    assert.deepEqual(state.errors, [])
    assert.ok(!existsSync(`${output}-journal`) && !existsSync(`${output}.ltx.tmp`))
    // It resumes at its position.
    await change()
    await change()
    const again = following(t, client, output)
    await until('the rest arrives', () => again.state.txid === history.txid)
    assert.ok(same(readFileSync(output), history.bytes))
    await again.stop()
  })
}

test('readers in another process never see a torn state or an older state of a follower’s database', async (t) => {
  const { client, history, change, output } = await fixture(t)
  const { state, stop } = following(t, client, output)
  await until('the first state', () => state.txid === history.txid)
  const reader = spawn(process.execPath, [path.join(import.meta.dirname, 'reader-child.js'), output], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let said = ''
  reader.stdout.on('data', (data) => {
    said += data
  })
  for (let i = 0; i < 60; i++) await change()
  await until('all arrives', () => state.txid === history.txid)
  reader.stdin.write('stop')
  const [code] = await once(reader, 'exit')
  assert.equal(code, 0, said)
  assert.ok(JSON.parse(said).states >= 3, said)
  await stop()
  assert.deepEqual(state.errors, [])
})

test('if a follower is killed at any moment, its database has a complete state, and the next follower continues from this state', async (t) => {
  const { client, history, change, output, url } = await fixture(t)
  const states = new Map([[2, withoutHeader(history.bytes)]])
  for (let round = 0; round < 12; round++) {
    for (let i = 0; i < 4; i++) {
      await change()
      states.set(history.txid, withoutHeader(history.bytes))
    }
    const child = spawn(process.execPath, [path.join(import.meta.dirname, 'follow-child.js'), url, output], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (round > 0) await once(child.stdout, 'data')
    else await until('the database is there', () => existsSync(output))
    // More to do while it is being killed.
    const more = change()
    await delay(round % 6)
    child.kill('SIGKILL')
    await Promise.all([once(child, 'exit'), more])
    states.set(history.txid, withoutHeader(history.bytes))
    // Any SQLite: puts back what was under way.
    const db = new Database(output)
    assert.equal(db.pragma('integrity_check', { simple: true }), 'ok')
    db.close()
    const left = withoutHeader(readFileSync(output))
    const txid = [...states].find(([, bytes]) => Buffer.compare(bytes, left) === 0)?.[0]
    assert.ok(txid !== undefined, `round ${round}: the database is at no TXID`)
    assert.ok(txid >= Number.parseInt(readFileSync(`${output}-txid`, 'utf8'), 16))
  }
  const { state, stop } = following(t, client, output)
  await until('the rest arrives', () => state.txid === history.txid)
  assert.ok(same(readFileSync(output), history.bytes))
  await stop()
})

test('if files are missing, a follower continues through compacted files or a snapshot, and otherwise reports a gap until the gap is closed', async (t) => {
  const { client, history, change, output } = await fixture(t)
  const first = following(t, client, output)
  await until('the first state', () => first.state.txid === 2)
  await first.stop()
  const removeL0 = async () => client.delete((await listLevels(client))[0]!.slice(0, -1))

  for (let i = 0; i < 4; i++) await change()
  await compact(client, { level: 1 })
  await removeL0()
  const second = following(t, client, output)
  await until('over level 1', () => second.state.txid === 6)
  await second.stop()
  assert.ok(same(readFileSync(output), history.bytes))

  for (let i = 0; i < 4; i++) await change()
  const lost = (await listLevels(client))[0]!
  await createSnapshot(client)
  await removeL0()
  await client.delete((await listLevels(client))[1]!)
  const third = following(t, client, output)
  await until('over a snapshot', () => third.state.txid === 10)
  await third.stop()
  assert.ok(same(readFileSync(output), history.bytes))
  assert.ok(lost.length > 2)

  await change()
  await change()
  await client.delete([{ level: 0, minTxid: 11, maxTxid: 11 }])
  const fourth = following(t, client, output)
  await until('the gap is reported', () => fourth.state.errors.length > 0)
  assert.equal((fourth.state.errors[0] as { code: string }).code, 'LTX_GAP')
  assert.equal(fourth.state.txid, 10)
  await history.snapshot()
  await until('the gap is closed', () => fourth.state.txid === 12)
  await fourth.stop()
  assert.ok(same(readFileSync(output), history.bytes))
})

test('a follower refuses a database with an unknown TXID, a modified database, and a replica that was reset', async (t) => {
  const { client, history, change, output, dir } = await fixture(t)
  const first = following(t, client, output)
  await until('the first state', () => first.state.txid === history.txid)
  await change()
  await until('the next', () => first.state.txid === history.txid)
  // A writer while it follows.
  const refused = assert.rejects(first.done, { code: 'HYDRATION_CONFLICT' })
  const db = new Database(output)
  db.exec('CREATE TABLE mine (x)')
  db.close()
  await change()
  await refused

  rmSync(`${output}-txid`)
  await assert.rejects(following(t, client, output).done, { code: 'OUTPUT_EXISTS' })
  writeFileSync(`${output}-txid`, 'nonsense')
  await assert.rejects(following(t, client, output).done, { code: 'OUTPUT_EXISTS' })

  const signal = new AbortController()
  t.after(() => signal.abort())
  let forced = 0
  const again = follow(client, {
    output,
    force: true,
    interval: 5,
    signal: signal.signal,
    onAdvance: ({ txid }) => {
      forced = txid
    },
  })
  await until('restored again with force', () => forced === history.txid)
  signal.abort()
  await again

  rmSync(path.join(dir, 'replica'), { recursive: true })
  const other = new History(path.join(dir, 'other.db'), client)
  t.after(() => other.close())
  await other.commit('CREATE TABLE t (x)')
  await assert.rejects(following(t, client, output).done, { code: 'REPLICA_RESET' })
})

test('a follower reports a damaged file, and uses another level’s file with the same TXIDs instead', async (t) => {
  const { dir, client, history, change, output } = await fixture(t)
  const { state, stop } = following(t, client, output)
  await until('it follows', () => state.txid === 2)
  await stop()
  for (let i = 0; i < 3; i++) await change()
  await compact(client, { level: 1 })
  const levels = await listLevels(client)
  const damaged = path.join(
    dir,
    'replica/ltx/1',
    formatFileName(levels[1]!.at(-1)!.minTxid, levels[1]!.at(-1)!.maxTxid),
  )
  const bytes = readFileSync(damaged)
  bytes[bytes.length - 20]! ^= 1
  putFile(damaged, bytes)
  const second = following(t, client, output)
  await until('it has caught up', () => second.state.txid === history.txid)
  assert.match(String(second.state.errors), /level 1/)
  await second.stop()
  assert.ok(same(readFileSync(output), history.bytes))
})

test('if a file lacks some of the pages by which the database has grown, a follower does not apply the file', async (t) => {
  const { dir, client, history, output } = await fixture(t)
  const { state, stop } = following(t, client, output)
  await until('it follows', () => state.txid === history.txid)
  const before = hashFile(output)
  const commit = history.bytes.length / history.pageSize
  const first = history.bytes.subarray(0, history.pageSize)
  const [txid, pages] = [history.txid + 1, [[1, first]] as [number, Uint8Array][]]
  putLtx(path.join(dir, 'replica'), 0, txid, txid, forgedLtx({ pages, commit: commit + 9, minTxid: BigInt(txid) }))
  await until('it reports that', () => state.errors.length > 0)
  assert.match(String(state.errors[0]), new RegExp(`page ${commit + 9} is missing: .* at most ${commit} pages before`))
  assert.equal(state.txid, history.txid)
  assert.equal(hashFile(output), before)
  await stop()
})

for (const [what, isRunning] of [
  ['while it is followed', true],
  ['while no process follows', false],
] as const) {
  test(`if a replica was reset, a follower does not apply the new files, even if the new files have later TXIDs: ${what}`, async (t) => {
    const { dir, client, history, output } = await fixture(t)
    const { state, stop, done } = following(t, client, output)
    const reset = (ended: Promise<void>) => assert.rejects(ended, { code: 'REPLICA_RESET' })
    const ended = isRunning ? reset(done) : undefined
    await until('it follows', () => state.txid === history.txid)
    if (!isRunning) await stop()
    const before = hashFile(output)
    await client.delete((await listLevels(client)).flat())
    const other = new History(path.join(dir, 'other.db'), client)
    t.after(() => other.close())
    other.time = history.time + 1000
    for (let i = 0; i < 6; i++) await other.commit(`CREATE TABLE other${i} (v)`)
    await (ended ?? reset(following(t, client, output).done))
    assert.equal(hashFile(output), before)
  })
}

test('a follower accepts a snapshot with a later time than another file of its TXID, and a snapshot that is written again', async (t) => {
  const { client, history, change, output } = await fixture(t)
  history.time += 6
  const first = await history.snapshot()
  const running = following(t, client, output)
  await until('it follows', () => running.state.txid === history.txid)
  await change()
  await until('it follows from a snapshot', () => running.state.txid === history.txid)
  await running.stop()

  const second = path.join(path.dirname(output), 'second.db')
  history.time += 6
  const snapshot = await history.snapshot()
  const again = following(t, client, second)
  await until('it follows', () => again.state.txid === history.txid)
  await again.stop()
  // Litestream writes the snapshot of an idle database again, under the same name.
  await client.delete([first, snapshot])
  history.time += 86_400_000
  await history.snapshot()
  for (const file of [output, second]) {
    const { state, stop } = following(t, client, file)
    await until('it follows again', () => state.txid >= history.txid)
    await change()
    await until('it follows on', () => state.txid === history.txid)
    assert.deepEqual(state.errors, [])
    await stop()
  }
})

test('if the store stops responding, the first restore of a follower ends after its timeout, and later polls fail and are retried', async (t) => {
  const { client, change, output, history } = await fixture(t)
  let standsStill = true
  let abandoned = 0
  const stand = (signal: AbortSignal | undefined) =>
    new Promise<never>((_, reject) => {
      signal!.addEventListener('abort', () => {
        abandoned++
        reject(signal!.reason)
      })
    })
  const stalling: ReplicaClient = {
    ...wrapClient(client, {
      request: (_operation, options, act) => act(options),
      async *stream(operation, options, act) {
        if (operation === 'LIST' && standsStill) await stand(options?.signal)
        yield* act(options)
      },
    }),
    watch: () => new Promise(() => {}),
  }
  const errors: unknown[] = []
  let txid = 0
  const stop = new AbortController()
  t.after(() => stop.abort())
  const options = { output, interval: 5, signal: stop.signal, onError: (e: unknown) => errors.push(e) }
  await assert.rejects(follow(stalling, { ...options, timeout: 100 }), { code: 'TIMEOUT' })
  assert.ok(!existsSync(output))

  standsStill = false
  const onAdvance = (state: { readonly txid: number }) => {
    txid = state.txid
  }
  const done = follow(stalling, { ...options, integrityCheck: 'none', timeout: 2000, onAdvance })
  await until('it follows without a watch', () => errors.length > 0)
  assert.equal(txid, history.txid)
  assert.match(String(errors), /watching .*: not finished within 2000 ms/, 'the watch that never stands')
  standsStill = true
  await change()
  await until('a poll is given up', () => errors.length > 1)
  assert.match(String(errors[1]), /polling .*: not finished within 2000 ms/)
  standsStill = false
  await until('it continues', () => txid === history.txid)
  assert.ok(abandoned > 1)
  stop.abort()
  await done
})
