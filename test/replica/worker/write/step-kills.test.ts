// A writer is killed at every step. The next process must find every acknowledged commit, and the
// interrupted one either completely or not at all.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { openReplica } from '../../../../src/replica/handle/open-replica.js'
import type { ReplicaOptions, ReplicaWriteOptions } from '../../../../src/replica/options.js'
import { WRITE_STEPS, type WriteStep } from '../../../../src/replica/worker/write/steps.js'
import { runScript } from '../../../support/child.js'
import { cleanUp } from '../../../support/clean-up.js'
import { s3Bucket, s3Url } from '../../../support/s3.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'
import { emptyReplicaUrl, openForWriting, restoredDatabase } from '../../../support/written-replica.js'

// The replica worker has a subscriber that kills the process at a step. The main thread inserts two
// rows, flushes, waits and closes, and reports each success.
const SCRIPT = `
  import { once } from 'node:events'
  import { writeSync } from 'node:fs'
  import { Worker } from 'node:worker_threads'
  const { url, options, rows, wait, step, times } = JSON.parse(process.env.WRITER)
  const worker = new Worker(\`
    import { subscribe } from 'node:diagnostics_channel'
    import { parentPort, workerData } from 'node:worker_threads'
    let left = workerData.times
    subscribe('litestream-ts:write', (step) => {
      if (step === workerData.step && --left === 0) process.kill(process.pid, 'SIGKILL')
    })
    await import(workerData.src + '/replica/worker/worker.js')
    parentPort.postMessage('attached')\`, { eval: true, workerData: { src, step, times } })
  await once(worker, 'message')
  worker.unref()
  const { openReplica } = await import(src + '/index.js')
  const { default: Database } = await import('better-sqlite3')
  const replica = await openReplica(url, options)
  const db = new Database(replica.uri, { timeout: 10000 })
  for (const row of rows) {
    db.exec('INSERT INTO t VALUES (' + row + ')')
    writeSync(1, row + '\\n')
  }
  await replica.flush()
  if (wait) await new Promise((resolve) => setTimeout(resolve, 60000))
  db.close()
  await replica.close()
  process.exit(0)
`

/** Where a process is killed, and what must be there afterwards. */
interface Kill {
  readonly step: WriteStep
  /** The first occurrence is 1. */
  readonly times?: number
  /** The process waits after its commits, for background work. */
  readonly waits?: boolean
  /** Rows that were acknowledged before; undefined: any number. */
  readonly acknowledged?: 0 | 1 | 2
  /** Rows that are committed; undefined: the acknowledged ones, and perhaps the next. */
  readonly committed?: 0 | 1 | 2
}

const TO_STORE: readonly Kill[] = [
  { step: 'begin', times: 2, acknowledged: 1, committed: 1 },
  { step: 'lease taken', acknowledged: 0, committed: 0 },
  { step: 'may write', times: 2, acknowledged: 1, committed: 1 },
  { step: 'commit', times: 2, acknowledged: 1, committed: 1 },
  { step: 'encoded', times: 2, acknowledged: 1, committed: 1 },
  { step: 'put', times: 2, acknowledged: 1, committed: 1 },
  { step: 'stored', times: 2, acknowledged: 1, committed: 2 },
  { step: 'published', times: 2, acknowledged: 1, committed: 2 },
  { step: 'lease renewed', times: 2, waits: true },
  { step: 'compaction request', waits: true },
  { step: 'compaction request', times: 12, waits: true },
  { step: 'close', acknowledged: 2, committed: 2 },
  { step: 'released', acknowledged: 2, committed: 2 },
]

const TO_BUFFER: readonly Kill[] = [
  { step: 'commit', times: 2, acknowledged: 1, committed: 1 },
  { step: 'append', times: 2, acknowledged: 1, committed: 1 },
  { step: 'appended', times: 2, acknowledged: 1, committed: 2 },
  { step: 'visible', times: 2, acknowledged: 1, committed: 2 },
  { step: 'merge', acknowledged: 2, committed: 2 },
  { step: 'announced', acknowledged: 2, committed: 2 },
  { step: 'put', acknowledged: 2, committed: 2 },
  { step: 'stored', acknowledged: 2, committed: 2 },
  { step: 'uploaded', acknowledged: 2, committed: 2 },
  { step: 'buffer restarted', acknowledged: 2, committed: 2 },
  { step: 'close', acknowledged: 2, committed: 2 },
]

/** Two processes: the second takes over the buffer of the first, and is killed too. */
const RECOVERY: readonly (readonly [Kill, Kill])[] = [
  [{ step: 'visible', times: 2 }, { step: 'recover' }],
  [{ step: 'announced' }, { step: 'recovered' }],
  [{ step: 'stored' }, { step: 'recover' }],
  [{ step: 'announced' }, { step: 'put' }],
  [{ step: 'announced' }, { step: 'stored' }],
  [{ step: 'announced' }, { step: 'uploaded' }],
]

const ON_S3: readonly Kill[] = TO_STORE.filter(({ step }) => ['put', 'stored', 'published'].includes(step))
const BUFFER_ON_S3: readonly Kill[] = TO_BUFFER.filter(({ step }) => ['put', 'stored', 'uploaded'].includes(step))

const STORED: ReplicaWriteOptions = { lease: '300ms', compaction: ['20ms'] }

/** A replica and, for local commits, a buffer, that processes write one after another. */
class Killed {
  readonly #t: TestContext
  readonly #url: string
  readonly #buffer: string | undefined
  readonly #expected: number[] = []
  #next = 1

  private constructor(t: TestContext, url: string, buffer: string | undefined) {
    this.#t = t
    this.#url = url
    this.#buffer = buffer
  }

  static async create(t: TestContext, url: string, buffer?: string): Promise<Killed> {
    const { replica, db } = await openForWriting(t, url)
    db.exec('CREATE TABLE t (x INTEGER PRIMARY KEY)')
    db.close()
    await replica.close()
    return new Killed(t, url, buffer)
  }

  get #local(): ReplicaWriteOptions {
    return { lease: false, durability: 'local', syncInterval: '1h', bufferPath: this.#buffer! }
  }

  /** Runs a process up to its end at a step. Returns its rows, and how many were acknowledged. */
  async run({ step, times = 1, waits = false }: Kill): Promise<{ readonly rows: number[]; readonly count: number }> {
    const rows = [this.#next++, this.#next++]
    const options: ReplicaOptions = { pollInterval: '10m', write: this.#buffer ? this.#local : STORED }
    const writer = { url: this.#url, options, rows, wait: waits, step, times }
    const child = runScript(this.#t, SCRIPT, { WRITER: JSON.stringify(writer) })
    assert.equal(await child.ended, 'SIGKILL', `${step}: ${child.errors()}`)
    return { rows, count: child.output().split('\n').length - 1 }
  }

  /** Runs one process to its kill, and checks the outcome. */
  async check(kill: Kill): Promise<void> {
    const { rows, count } = await this.run(kill)
    const what = `${kill.step} ${kill.times ?? 1}`
    if (kill.acknowledged !== undefined) assert.equal(count, kill.acknowledged, `${what}: acknowledged`)
    const committed = await this.checkCommitted(rows, count, what)
    if (kill.committed !== undefined) assert.equal(committed, kill.committed, `${what}: committed`)
  }

  /**
   * Checks that another process finds all rows of the earlier processes, and of the killed one the
   * `count` acknowledged rows or one more: a commit can be durable before the process reports it.
   * Returns how many of `rows` it finds.
   */
  async checkCommitted(rows: readonly number[], count: number, what: string): Promise<number> {
    const found = await this.settle()
    const committed = rows.filter((row) => found.includes(row)).length
    assert.ok(committed >= count && committed <= count + 1, `${what}: ${committed} rows of ${count}`)
    this.expect(rows.slice(0, committed))
    assert.deepEqual(found, this.#expected, what)
    return committed
  }

  expect(rows: readonly number[]): void {
    this.#expected.push(...rows)
  }

  /** The rows that another process finds, which uploads what the buffer has. */
  async settle(): Promise<readonly number[]> {
    const write = this.#buffer ? this.#local : { lease: false as const }
    const replica = await openReplica(this.#url, { write })
    const db = new Database(replica.uri)
    const found = rowsOf(db)
    await replica.flush()
    assert.deepEqual(rowsOf(db), found)
    db.close()
    await replica.close()
    if (this.#buffer) assert.ok(!existsSync(this.#buffer))
    return found
  }

  /** The replica restores to what every process should have found. */
  async checkRestored(): Promise<void> {
    assert.deepEqual(rowsOf(await restoredDatabase(this.#t, this.#url)), this.#expected)
  }
}

const rowsOf = (db: Database.Database) => db.prepare('SELECT x FROM t ORDER BY x').pluck().all() as number[]

async function s3ReplicaUrl(t: TestContext): Promise<string> {
  return s3Url(await s3Bucket({ after: (step: unknown) => cleanUp(t, step as () => unknown) } as TestContext))
}

const bufferIn = (t: TestContext) => path.join(temporaryDirectory(t), 'app.buffer')

test('the kill tests cover every step of a writer', () => {
  const steps = [...TO_STORE, ...TO_BUFFER, ...RECOVERY.flat()].map(({ step }) => step)
  assert.deepEqual(
    WRITE_STEPS.filter((step) => !steps.includes(step)),
    [],
  )
})

for (const [store, toStore, toBuffer] of [
  ['file', TO_STORE, TO_BUFFER],
  ['S3', ON_S3, BUFFER_ON_S3],
] as const) {
  const place = async (t: TestContext) => (store === 'file' ? emptyReplicaUrl(t).url : s3ReplicaUrl(t))

  test(`${store}: if a process that commits to the store is killed at any step, every acknowledged commit exists once`, async (t) => {
    const killed = await Killed.create(t, await place(t))
    for (const kill of toStore) await killed.check(kill)
    await killed.checkRestored()
  })

  test(`${store}: if a process that commits to a buffer is killed at any step, every acknowledged commit exists once`, async (t) => {
    const killed = await Killed.create(t, await place(t), bufferIn(t))
    for (const kill of toBuffer) await killed.check(kill)
    await killed.checkRestored()
  })
}

test('if a process that takes over a buffer is also killed, the third process has every acknowledged commit once', async (t) => {
  const killed = await Killed.create(t, emptyReplicaUrl(t).url, bufferIn(t))
  for (const [first, second] of RECOVERY) {
    const before = await killed.run(first)
    killed.expect(before.rows)
    const { rows, count } = await killed.run(second)
    // The second process is killed before its own commits, or during their upload.
    await killed.checkCommitted(rows, count, `${first.step}, then ${second.step}`)
  }
  await killed.checkRestored()
})
