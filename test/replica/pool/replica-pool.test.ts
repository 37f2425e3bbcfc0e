import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { isLitestreamError } from '../../../src/errors.js'
import { formatFileName } from '../../../src/ltx/file-name.js'
import { native } from '../../../src/native/addon.js'
import { openReplicas } from '../../../src/replica/pool/open-replicas.js'
import type { PooledReplica } from '../../../src/replica/pool/pooled-replica.js'
import type { PoolCloseReason, ReplicaPool } from '../../../src/replica/pool/replica-pool.js'
import { s3Key } from '../../../src/storage/keys.js'
import { runAll } from '../../../src/util/run-all.js'
import { collect } from '../../support/collect.js'
import { loopbackS3 } from '../../support/loopback-s3.js'
import { putFile } from '../../support/put-file.js'
import { Random } from '../../support/random.js'
import { value } from '../../support/replica.js'
import { makeTenants, openTestPool } from '../../support/tenants.js'
import { until } from '../../support/until.js'

function countOf(replica: PooledReplica): unknown {
  const db = new Database(replica.uri, { readonly: true })
  try {
    return value(db, 'SELECT count(*) FROM t')
  } finally {
    db.close()
  }
}

/** Records the replicas that the pool closes, as `reason name`. */
function recordClosed(pool: ReplicaPool): string[] {
  const closed: string[] = []
  pool.on('close', ({ name, reason }: { name: string; reason: PoolCloseReason }) => closed.push(`${reason} ${name}`))
  return closed
}

test('concurrent first calls of acquire open a replica only once, and all callers share the replica', async (t) => {
  const { prefix, names } = await makeTenants(t, 2)
  const pool = await openTestPool(t, prefix)
  const opened: string[] = []
  pool.on('open', ({ name }) => opened.push(name))
  const uses = await Promise.all([0, 0, 0, 1].map((i) => pool.acquire(names[i]!)))
  assert.deepEqual(opened.sort(), names)
  assert.equal(new Set(uses.slice(0, 3).map(({ uri }) => uri)).size, 1)
  assert.notEqual(uses[3]!.uri, uses[0]!.uri)
  for (const use of uses) assert.equal(countOf(use), 2)
  uses[0]!.release()
  assert.equal(countOf(uses[1]!), 2)
  assert.equal(pool.stats().idle, 0)
  for (const use of uses) use.release()
  assert.equal(pool.stats().idle, 2)
  assert.throws(() => uses[0]!.uri, { code: 'REPLICA_CLOSED', message: /this use of the replica was released/ })
  await assert.rejects(uses[1]!.refresh(), { code: 'REPLICA_CLOSED' })
  await pool.use(names[0]!, (replica) => assert.equal(countOf(replica), 2))
  assert.equal(pool.stats().opened, 2)
})

test('use() of a pool releases the replica both after a callback that returns and after a callback that throws', async (t) => {
  const { prefix, names } = await makeTenants(t, 1)
  const pool = await openTestPool(t, prefix)
  assert.equal(await pool.use(names[0]!, async (replica) => countOf(replica)), 2)
  assert.equal(pool.stats().idle, 1)
  const failing = pool.use(names[0]!, async () => {
    throw new Error('of the caller')
  })
  await assert.rejects(failing, { message: 'of the caller' })
  assert.equal(pool.stats().idle, 1)
  const use = await pool.acquire(names[0]!)
  await use[Symbol.asyncDispose]()
  assert.equal(pool.stats().idle, 1)
  await assert.rejects(pool.use(names[0]!, 'no function' as never), { code: 'INVALID_ARGUMENT', message: /work/ })
})

test('a full pool closes the least recently used replica among the replicas without users', async (t) => {
  const { prefix, names } = await makeTenants(t, 5)
  const [a, b, c, d, e] = names as [string, string, string, string, string]
  const pool = await openTestPool(t, prefix, { maxOpen: 3 })
  const closed = recordClosed(pool)
  const held = await pool.acquire(a)
  for (const name of [b, c, b]) await pool.use(name, countOf)
  await pool.use(d, countOf)
  assert.deepEqual(closed, [`evicted ${c}`])
  await pool.use(e, countOf)
  assert.deepEqual(closed, [`evicted ${c}`, `evicted ${b}`])
  assert.equal(countOf(held), 2)
  assert.equal(native.openReplicas(), 3)
  held.release()
})

test('if all replicas of a full pool are in use, calls of acquire wait in order until a replica is released', async (t) => {
  const { prefix, names } = await makeTenants(t, 4)
  const [a, b, c, d] = names as [string, string, string, string]
  const pool = await openTestPool(t, prefix, { maxOpen: 2 })
  const [first, second] = [await pool.acquire(a), await pool.acquire(b)]
  const order: string[] = []
  const waiting = [c, d].map(async (name) => {
    const use = await pool.acquire(name)
    order.push(name)
    return use
  })
  assert.deepEqual([pool.stats().open, pool.stats().waiting], [2, 2])
  first.release()
  const third = await waiting[0]!
  assert.deepEqual(order, [c])
  assert.equal(native.openReplicas(), 2)
  second.release()
  const fourth = await waiting[1]!
  assert.deepEqual([countOf(third), countOf(fourth)], [2, 2])
  third.release()
  fourth.release()
})

test('in a full pool, acquire fails when its AbortSignal is aborted, and at its deadline with an error that states the limit and the option', async (t) => {
  const { prefix, names } = await makeTenants(t, 3)
  const pool = await openTestPool(t, prefix, { maxOpen: 1, acquireTimeout: '30ms' })
  const held = await pool.acquire(names[0]!, { timeout: '30s' })
  const refused = {
    code: 'TIMEOUT',
    message: /acquiring "tenant-1\/app\.db": all 1 replicas of the pool file:.* stayed in use for 30ms/,
    hint: /raise maxOpen \(1\) or acquireTimeout/,
  }
  await assert.rejects(pool.acquire(names[1]!), refused)
  await assert.rejects(pool.acquire(names[1]!, { timeout: 20 }), { code: 'TIMEOUT', message: /20ms/ })
  const controller = new AbortController()
  const waiting = pool.acquire(names[1]!, { signal: controller.signal, timeout: '1m' })
  controller.abort(new Error('enough'))
  await assert.rejects(waiting, { message: 'enough' })
  await assert.rejects(pool.acquire(names[1]!, { signal: controller.signal }), { message: 'enough' })
  // A caller that gave up takes no place.
  assert.deepEqual([pool.stats().open, pool.stats().waiting], [1, 0])
  assert.equal(countOf(held), 2)
  held.release()
  assert.equal(await pool.use(names[1]!, countOf, { timeout: '10s' }), 2)
})

test('if one caller of acquire gives up, the replica is still opened for the other callers of the same name', async (t) => {
  const { prefix, names } = await makeTenants(t, 1)
  const pool = await openTestPool(t, prefix)
  const controller = new AbortController()
  const first = pool.acquire(names[0]!, { signal: controller.signal })
  const second = pool.acquire(names[0]!)
  controller.abort(new Error('enough'))
  await assert.rejects(first, { message: 'enough' })
  const use = await second
  assert.equal(countOf(use), 2)
  use.release()
  assert.equal(pool.stats().opened, 1)
})

test('if all callers of acquire give up, the pool stops opening the replica, and the next acquire opens the replica', async (t) => {
  const { prefix, names } = await makeTenants(t, 1)
  const pool = await openTestPool(t, prefix, { maxOpen: 1 })
  const controller = new AbortController()
  const first = pool.acquire(names[0]!, { signal: controller.signal })
  assert.equal(pool.stats().open, 1)
  controller.abort(new Error('enough'))
  await assert.rejects(first, { message: 'enough' })
  assert.equal(await pool.use(names[0]!, countOf), 2)
  assert.deepEqual([pool.stats().opened, pool.stats().failed], [1, 1])
  assert.equal(native.openReplicas(), 1)
})

test('a replica without users is closed after idleTimeout, but a replica with users or connections stays open', async (t) => {
  const { prefix, names } = await makeTenants(t, 3)
  const [idle, held, connected] = names as [string, string, string]
  const pool = await openTestPool(t, prefix, { idleTimeout: 30 })
  const closed = recordClosed(pool)
  const use = await pool.acquire(held)
  const db = await pool.use(connected, (replica) => new Database(replica.uri, { readonly: true }))
  await pool.use(idle, countOf)
  await until('the idle replica is closed', () => closed.length > 0)
  assert.deepEqual(closed, [`idle ${idle}`])
  await pool.use(idle, countOf)
  await until('the idle replica is closed again', () => closed.length > 1)
  assert.deepEqual(closed, [`idle ${idle}`, `idle ${idle}`])
  assert.equal(value(db, 'SELECT count(*) FROM t'), 2)
  assert.equal(countOf(use), 2)
  assert.equal(pool.stats().expired, 2)
  db.close()
  use.release()
  await until('all replicas are closed', () => closed.length === 4)
  assert.equal(native.openReplicas(), 0)
})

test('the pool does not close a replica with open connections to make room, until the last connection of the replica is closed', async (t) => {
  const { prefix, names } = await makeTenants(t, 2)
  const pool = await openTestPool(t, prefix, { maxOpen: 1 })
  const db = await pool.use(names[0]!, (replica) => new Database(replica.uri, { readonly: true }))
  await assert.rejects(pool.acquire(names[1]!, { timeout: 30 }), { code: 'TIMEOUT', hint: /close their connections/ })
  assert.equal(value(db, 'SELECT count(*) FROM t'), 2)
  const waiting = pool.use(names[1]!, countOf)
  db.close()
  assert.equal(await waiting, 2)
})

test('if a replica cannot be opened, all waiting callers of acquire get the error, and the next call tries again', async (t) => {
  const { prefix, folder, source, names } = await makeTenants(t, 1)
  const pool = await openTestPool(t, prefix, { maxOpen: 1 })
  const name = 'tenant-new/app.db'
  const openings = await Promise.allSettled([pool.acquire(name), pool.acquire(name)])
  for (const opening of openings) {
    assert.ok(opening.status === 'rejected' && isLitestreamError(opening.reason, 'REPLICA_EMPTY'))
    assert.match(opening.reason.message, /tenant-new\/app\.db|no backup files/)
  }
  assert.equal(pool.stats().failed, 1)
  assert.equal(pool.stats().open, 0)
  cpSync(source.files, path.join(folder, name), { recursive: true, preserveTimestamps: true })
  assert.equal(await pool.use(name, countOf), 2)
  assert.equal(await pool.use(names[0]!, countOf), 2)
})

test('if the polls of a replica fail, the replica stays open, and the pool emits the error with the name of the replica', async (t) => {
  const { prefix, folder, names } = await makeTenants(t, 1)
  const pool = await openTestPool(t, prefix, { idleTimeout: '1h' })
  const events: string[] = []
  for (const event of ['gap', 'error'] as const) {
    pool.on(event, (error, name) => events.push(`${error.code} ${name}`))
  }
  await pool.use(names[0]!, countOf)
  rmSync(path.join(folder, names[0]!, 'ltx'), { recursive: true })
  await until('the pool reports the fault', () => events.length > 0)
  assert.deepEqual(new Set(events), new Set([`LTX_GAP ${names[0]}`]))
  assert.equal(pool.stats().opened, 1)
  assert.equal(await pool.use(names[0]!, (replica) => replica.txid), 1)
})

test('close of a pool waits until no caller uses a replica, and acquire fails after close', async (t) => {
  const { prefix, names } = await makeTenants(t, 3)
  const pool = await openTestPool(t, prefix, { maxOpen: 2 })
  const closed = recordClosed(pool)
  await pool.use(names[0]!, countOf)
  const held = await pool.acquire(names[1]!)
  const other = await pool.acquire(names[0]!)
  const queued = pool.acquire(names[2]!)
  const closing = pool.close()
  await assert.rejects(queued, { code: 'REPLICA_CLOSED', message: /the pool file:.* was closed/ })
  await assert.rejects(pool.acquire(names[0]!), { code: 'REPLICA_CLOSED' })
  await assert.rejects(collect(pool.names()), { code: 'REPLICA_CLOSED' })
  other.release()
  assert.equal(countOf(held), 2)
  held.release()
  await closing
  assert.deepEqual(closed.sort(), [`closed ${names[0]}`, `closed ${names[1]}`])
  assert.equal(native.openReplicas(), 0)
  await pool.close()
})

test('close of a pool stops the opening of a replica, and the waiting callers of acquire get REPLICA_CLOSED', async (t) => {
  const { prefix, names } = await makeTenants(t, 1)
  const pool = await openTestPool(t, prefix)
  const opening = pool.acquire(names[0]!)
  await Promise.all([pool.close(), assert.rejects(opening, { code: 'REPLICA_CLOSED' })])
  assert.equal(native.openReplicas(), 0)
})

test('at its deadline, close of a pool closes the replicas that are still in use, and then fails with their names', async (t) => {
  const { prefix, names } = await makeTenants(t, 2)
  const pool = await openTestPool(t, prefix)
  const held = await pool.acquire(names[0]!)
  await pool.use(names[1]!, countOf)
  await assert.rejects(pool.close({ timeout: 30 }), {
    code: 'TIMEOUT',
    message: /after 30ms these replicas were still in use: "tenant-0\/app\.db"$/,
  })
  assert.throws(() => held.txid, { code: 'REPLICA_CLOSED' })
  held.release()
  assert.equal(native.openReplicas(), 0)
  await pool.close()
})

test('await using closes a pool at the end of its scope', async (t) => {
  const { prefix, names } = await makeTenants(t, 1)
  const pool = await openReplicas(prefix)
  await pool.use(names[0]!, countOf)
  const [[{ reason }]] = await Promise.all([once(pool, 'close'), pool[Symbol.asyncDispose]()])
  assert.equal(reason, 'closed')
})

test('acquire refuses names that are not relative paths', async (t) => {
  const { prefix } = await makeTenants(t, 1)
  const pool = await openTestPool(t, prefix)
  const names: unknown[] = ['', '/etc/app.db', '../app.db', 'a/../../app.db', 'a/./b', 'a//b', 'a/', '.', '..', 7, null]
  names.push('a\0b', 'a\nb', 'a\u007fb', 'a\u0085b', 'a\ud800b', 'x'.repeat(5000), 'y'.repeat(300))
  for (const name of names) {
    await assert.rejects(
      pool.acquire(name as string),
      { code: 'INVALID_ARGUMENT', message: /ReplicaPool\.acquire: the name/, hint: /relative to the prefix/ },
      JSON.stringify(name),
    )
  }
  assert.equal(pool.stats().opened, 0)
})

test('special characters in a name are part of the path, not of the URL syntax', async (t) => {
  const { prefix, folder, source } = await makeTenants(t, 0)
  const pool = await openTestPool(t, prefix)
  const names = ['a b/ü.db', 'a%20b.db', 'what?.db', 'c#1.db', 'x&y=z.db', '-wal/app.db-wal']
  for (const name of names) {
    cpSync(source.files, path.join(folder, name), { recursive: true, preserveTimestamps: true })
    assert.equal(await pool.use(name, countOf), 2, name)
  }
  assert.deepEqual((await collect(pool.names())).sort(), names.sort())
})

test('names() of a pool opens no replica, lists the replicas below the prefix, and omits the names that acquire refuses', async (t) => {
  const { prefix, folder, source, names } = await makeTenants(t, 20)
  cpSync(source.files, path.join(folder, 'bad\nname'), { recursive: true })
  const pool = await openTestPool(t, prefix)
  assert.deepEqual((await collect(pool.names())).sort(), [...names].sort())
  assert.equal(pool.stats().opened, 0)
  for await (const name of pool.names()) {
    assert.ok(names.includes(name))
    break
  }
  const aborted = AbortSignal.abort()
  await assert.rejects(collect(pool.names({ signal: aborted })), (error) => {
    assert.ok(isLitestreamError(error, 'ABORTED') || (error as Error).name === 'AbortError')
    return true
  })
})

test('openReplicas refuses invalid options, invalid URLs and budgets that are too small for maxOpen', async (t) => {
  const { prefix } = await makeTenants(t, 0)
  const refuses = async (options: object, message: RegExp) =>
    assert.rejects(openReplicas(prefix, options), { code: 'INVALID_ARGUMENT', message })
  await refuses({ maxOpen: 0 }, /maxOpen/)
  await refuses({ maxOpne: 5 }, /unknown option "maxOpne"/)
  await refuses({ hydrate: true }, /unknown option "hydrate"/)
  await refuses({ write: true }, /unknown option "write"/)
  await refuses({ idleTimeout: 'soon' }, /idleTimeout/)
  await refuses({ pollInterval: 0 }, /pollInterval/)
  await refuses({ maxOpen: 1000, cacheSize: '64MiB' }, /cacheSize must be at least 256000KiB for maxOpen 1000/)
  await refuses({ maxOpen: 50, concurrency: 49 }, /concurrency must be at least 50 for maxOpen 50/)
  await assert.rejects(openReplicas('ftp://host'), { code: 'INVALID_URL' })
  await assert.rejects(openReplicas(''), { code: 'INVALID_ARGUMENT' })
  for (const options of [{ idleTimeout: Number.POSITIVE_INFINITY }, { maxOpen: 1000 }, { maxOpen: undefined }]) {
    await (await openReplicas(prefix, options as object)).close()
  }
})

test('random acquires, releases, aborts and deadlines never exceed the pool’s limit, and leave no place of the pool occupied', async (t) => {
  const { prefix, names } = await makeTenants(t, 7)
  const pool = await openTestPool(t, prefix, { maxOpen: 3, idleTimeout: 20 })
  const random = new Random(7)
  let most = 0
  const one = async () => {
    const controller = new AbortController()
    const timeout = random.chance(0.2) ? 1 + random.integer(0, 19) : '1m'
    const acquiring = pool.acquire(random.pick(names), { signal: controller.signal, timeout })
    if (random.chance(0.2)) setTimeout(() => controller.abort(new Error('enough')), random.integer(0, 19))
    try {
      const use = await acquiring
      most = Math.max(most, native.openReplicas())
      assert.equal(countOf(use), 2)
      if (random.chance(0.5)) await delay(random.integer(0, 4))
      use.release()
    } catch (error) {
      assert.ok(isLitestreamError(error, 'TIMEOUT') || (error as Error).message === 'enough', String(error))
    }
  }
  await runAll(
    12,
    Array.from({ length: 400 }, () => one),
  )
  assert.ok(most <= 3, `${most} replicas were open`)
  await until('all replicas are closed', () => pool.stats().open === 0)
  const { open, idle, waiting, opened, evicted, expired } = pool.stats()
  assert.deepEqual({ open, idle, waiting }, { open: 0, idle: 0, waiting: 0 })
  assert.equal(opened, evicted + expired)
  assert.equal(native.openReplicas(), 0)
})

test('while a store does not respond, only one replica of the pool emits a warning, and an event listener gets the names of all affected replicas', async (t) => {
  const s3 = await loopbackS3(t)
  const { source } = await makeTenants(t, 0)
  const names = ['a.db', 'b.db', 'c.db']
  const body = readFileSync(path.join(source.files, 'ltx/0', formatFileName(1, 1)))
  for (const name of names) s3.objects.set(s3Key(`app/${name}`, { level: 0, minTxid: 1, maxTxid: 1 }), { body })
  const pool = await openTestPool(t, s3.url(), { pollInterval: 20 })
  for (const name of names) assert.equal(await pool.use(name, countOf), 2)
  const warnings: string[] = []
  const onWarning = (warning: Error) => warnings.push(warning.message)
  process.on('warning', onWarning)
  t.after(() => process.off('warning', onWarning))
  const failed: string[] = []
  s3.behave(({ query }, response) => {
    failed.push(query.get('prefix') ?? '')
    response.destroy()
    return true
  })
  // The sixth attempt begins more than a second after the first one, so an outage is reported.
  const attempts = (name: string) => failed.filter((prefix) => prefix.startsWith(`app/${name}/`)).length
  await until('every replica has an outage', () => names.every((name) => attempts(name) >= 6))
  await until('the warning', () => warnings.length > 0)
  const ended = new Set<string>()
  pool.on('outage', ({ error }, name) => {
    if (error === undefined) ended.add(name)
  })
  s3.behave(() => false)
  await until('the outage of every replica has ended', () => ended.size === 3)
  assert.equal(warnings.length, 1, warnings.join())
})

/** Number of open file descriptors of the process. */
const descriptors = () => readdirSync('/proc/self/fd').length

test('with 300 replicas and a pool of 20, the numbers of open replicas and file descriptors stay bounded', async (t) => {
  const { prefix, names } = await makeTenants(t, 300)
  const pool = await openTestPool(t, prefix, { maxOpen: 20, pollInterval: '1s' })
  await Promise.all(names.slice(0, 20).map((name) => pool.use(name, countOf)))
  const before = descriptors()
  let most = 0
  let mostOpen = 0
  await Promise.all(
    names.map((name) =>
      pool.use(name, async (replica) => {
        assert.equal(countOf(replica), 2)
        most = Math.max(most, descriptors())
        mostOpen = Math.max(mostOpen, native.openReplicas())
      }),
    ),
  )
  assert.ok(mostOpen <= 20, `${mostOpen} replicas were open`)
  assert.ok(most <= before + 40, `${most} descriptors were open, ${before} with 20 idle replicas`)
  const { opened, open, idle, evicted, failed } = pool.stats()
  assert.deepEqual({ open, idle, failed }, { open: 20, idle: 20, failed: 0 })
  assert.equal(opened - evicted, 20)
  assert.ok(opened >= 300)
})

test('200 idle replicas on a folder send no LIST between polls, and a new file causes LISTs of only its own replica', async (t) => {
  const { prefix, folder, source, names } = await makeTenants(t, 200)
  const pool = await openTestPool(t, prefix, { maxOpen: 200, pollInterval: '1h' })
  const uses = await Promise.all(names.map((name) => pool.acquire(name)))
  const listsOf = async (use: PooledReplica) => (await use.workerStats()).storage.LIST!.requests
  const lists = async () => (await Promise.all(uses.map(listsOf))).reduce((sum, count) => sum + count, 0)
  // Each opening lists ten levels, and lists level 0 again when its watch has started.
  const begun = 200 * 11
  await until('every watch has started', async () => (await lists()) >= begun)
  assert.equal(await lists(), begun)
  const [first] = uses as [PooledReplica]
  const { level, minTxid, maxTxid } = await source.history.commit("INSERT INTO t VALUES ('c')")
  const file = path.join('ltx', String(level), formatFileName(minTxid, maxTxid))
  putFile(path.join(folder, names[0]!, file), readFileSync(path.join(source.files, file)))
  await until('the replica has the new file', () => first.txid === 2)
  const own = await listsOf(first)
  assert.ok(own > 11 && own <= 14, `${own} LISTs of the replica with the new file`)
  assert.equal(await lists(), begun - 11 + own)
  assert.equal(countOf(first), 3)
  for (const use of uses) use.release()
})
