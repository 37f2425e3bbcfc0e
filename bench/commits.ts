import path from 'node:path'
import Database from 'better-sqlite3'
import { openReplicaClient } from '../src/storage/open.js'
import { collect } from '../test/support/collect.js'
import { CommitThread } from './support/commit-thread.js'
import { answerOf } from './support/fresh-process.js'
import { PACKAGE } from './support/published-package.js'
import { hasOfficialVfs, type PythonReader } from './support/python-reader.js'
import type { Bench, Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Column, ResultTable } from './support/result.js'
import type { Stage } from './support/stage.js'
import { quantile, ratios, spread } from './support/stats.js'
import { fill, openWritten, ROWS, UPDATE, Updates } from './support/written.js'

/** Milliseconds that the proxy adds to each response. */
const LATENCIES = [0, 5, 20]
/** Pages that a transaction changes, besides the first page of the database. */
const GROUPS = [1, 10, 100]

const STORE_COLUMNS: readonly Column[] = [
  { key: 'latency', label: 'store latency', unit: 'text' },
  { key: 'pages', label: 'pages', unit: 'count' },
  { key: 'commit', label: 'COMMIT', unit: 'ms' },
  { key: 'put', label: 'PUT of the same bytes', unit: 'ms' },
  { key: 'ratio', label: 'COMMIT / PUT', unit: 'x' },
  { key: 'rate', label: 'commits', unit: 'per s' },
]

const LOCAL_COLUMNS: readonly Column[] = [
  { key: 'pages', label: 'pages', unit: 'count' },
  { key: 'local', label: 'buffer', unit: 'per s' },
  { key: 'wal', label: 'local WAL database', unit: 'per s' },
  { key: 'ratio', label: 'buffer / WAL', unit: 'x' },
  { key: 'memory', label: 'without a buffer file', unit: 'per s' },
  { key: 'official', label: 'official VFS, python', unit: 'per s' },
]

const READER_COLUMNS: readonly Column[] = [
  { key: 'writer', label: 'another thread', unit: 'text' },
  { key: 'commits', label: 'its commits', unit: 'per s' },
  { key: 'median', label: 'lookup, median', unit: 'us' },
  { key: 'p99', label: 'lookup, p99', unit: 'us' },
  { key: 'crossings', label: 'crossings per lookup', unit: 'count' },
]

const FIRST_COLUMNS: readonly Column[] = [
  { key: 'latency', label: 'store latency', unit: 'text' },
  { key: 'import', label: 'import', unit: 'ms' },
  { key: 'open', label: 'openReplica', unit: 'ms' },
  { key: 'commit', label: 'first commit', unit: 'ms' },
  { key: 'all', label: 'together', unit: 'ms' },
  { key: 'rounds', label: 'round trips', unit: 'count' },
  { key: 'rest', label: 'without round trips', unit: 'ms' },
  { key: 'cpu', label: 'processor time', unit: 'ms' },
]

export const commits: Question = {
  name: 'commits',
  question: 'How long does a commit through the VFS take, and how many commits per second can a process make?',
  limit:
    'A commit takes at least one PUT of the same bytes to the store, and with a local buffer one fsync of the disk.',
  budget: 240,
  needs: { s3: true },
  async run(bench) {
    const stage = await bench.stage()
    return [
      await commitsToStore(bench, stage),
      await commitsToBuffer(bench, stage),
      await readersBeside(bench, stage),
      await firstCommits(bench, stage),
    ]
  },
}

/** Each commit, and then one PUT of the file that it wrote, over the same way to the store. */
async function commitsToStore(bench: Bench, stage: Stage): Promise<ResultTable> {
  const { replica, db } = await openWritten(stage.url('store.db'), { compaction: false })
  const written = await stage.client('store.db')
  const beside = await openReplicaClient(stage.url('beside.db'))
  try {
    fill(db)
    const updates = new Updates(db)
    const put = async (): Promise<number> => {
      const file = { level: 0, minTxid: replica.txid, maxTxid: replica.txid }
      const body = Buffer.concat(await collect(written.stream(file)))
      const start = performance.now()
      await beside.write(file, body, { timestamp: Date.now(), createOnly: true })
      return performance.now() - start
    }
    const rows = []
    for (const latency of LATENCIES) {
      await stage.proxy.latency(latency)
      for (const pages of GROUPS) {
        bench.progress(`${latency} ms, ${pages} pages`)
        const [times, puts]: number[][] = [[], []]
        for (let round = bench.rounds(60, 5); round > 0; round--) {
          times!.push(updates.commit(pages))
          puts!.push(await put())
        }
        const rate = updates.rate(pages, bench.size(40, 5))
        const alone = { commit: spread(times!), put: spread(puts!) }
        rows.push({ latency: `${latency} ms`, pages, ...alone, ratio: ratios(times!, puts!), rate })
      }
    }
    return { id: 'store', title: 'Commits that wait for the store', columns: STORE_COLUMNS, rows }
  } finally {
    await stage.proxy.latency(0)
    db.close()
    await Promise.all([replica.close(), written.close(), beside.close()])
  }
}

/** Commits per second of the official VFS, whose transactions run in Python. */
class OfficialCommits {
  readonly #vfs: PythonReader
  readonly #random = new Random(2)

  private constructor(vfs: PythonReader) {
    this.#vfs = vfs
  }

  /** On a replica of its own, which `fill` has filled. Undefined if it cannot be run here. */
  static async open(stage: Stage): Promise<OfficialCommits | undefined> {
    if (!hasOfficialVfs()) return undefined
    const { replica, db } = await openWritten(stage.url('official.db'), { compaction: false })
    fill(db)
    db.close()
    await replica.close()
    const vfs = stage.official('official.db', { mode: 'rw', write_enabled: 'true' })
    await vfs.open()
    return new OfficialCommits(vfs)
  }

  async rate(pages: number, count: number): Promise<number> {
    let ms = 0
    for (let i = 0; i < count; i++) {
      const parameters = [Updates.parameters(this.#random, pages)]
      ms += (await this.#vfs.run(UPDATE, parameters, { transaction: true })).ms
    }
    return (count * 1000) / ms
  }

  close(): Promise<void> {
    return this.#vfs.close()
  }
}

/** The buffer and the WAL database sync the disk for each commit; uploads run every second meanwhile. */
async function commitsToBuffer(bench: Bench, stage: Stage): Promise<ResultTable> {
  const bufferPath = path.join(bench.directory, 'commits.buffer')
  const buffered = await openWritten(stage.url('local.db'), { bufferPath, compaction: false })
  const memory = await openWritten(stage.url('memory.db'), { durability: 'local', compaction: false })
  const wal = new Database(path.join(bench.directory, 'wal.db'))
  const official = await OfficialCommits.open(stage)
  try {
    wal.pragma('journal_mode = wal')
    wal.pragma('synchronous = full')
    const databases = [buffered.db, wal, memory.db]
    for (const db of databases) fill(db)
    const updates = databases.map((db) => new Updates(db))
    const rows = []
    for (const pages of GROUPS) {
      bench.progress(`buffer, ${pages} pages`)
      const count = Math.max(5, Math.floor(bench.size(500, 50) / pages))
      const rates: number[][] = [[], [], [], []]
      for (let round = bench.rounds(5, 1); round > 0; round--) {
        for (const [i, one] of updates.entries()) rates[i]!.push(one.rate(pages, count))
        if (official) rates[3]!.push(await official.rate(pages, count))
        await Promise.all([buffered.replica.flush(), memory.replica.flush()])
      }
      const [local, local2, inMemory, theirs] = rates
      rows.push({
        pages,
        local: spread(local!),
        wal: spread(local2!),
        ratio: ratios(local!, local2!),
        memory: spread(inMemory!),
        official: theirs!.length === 0 ? null : spread(theirs!),
      })
    }
    const notes = [
      'If the process is killed, the buffer file and the WAL database have every commit. Without a buffer file, a kill loses the commits of the last second.',
      'The COMMIT of the official VFS returns when the pages are in a temporary file. A crash of the official VFS loses the commits of the last second. If two writers use the official VFS, one writer overwrites the commits of the other writer.',
    ]
    return { id: 'local', title: 'Commits that reach the store later', columns: LOCAL_COLUMNS, rows, notes }
  } finally {
    await official?.close()
    for (const db of [buffered.db, wal, memory.db]) db.close()
    await Promise.all([buffered.replica.close(), memory.replica.close()])
  }
}

/** Lookups of resident rows in one thread while another thread of the process commits. */
async function readersBeside(bench: Bench, stage: Stage): Promise<ResultTable> {
  const rows = []
  for (const { writer, pages, write } of [
    { writer: 'idle', pages: 0, write: { compaction: false } },
    { writer: 'commits 1 page to the store', pages: 1, write: { compaction: false } },
    { writer: 'commits 100 pages to the store', pages: 100, write: { compaction: false } },
    { writer: 'commits 1 page to memory', pages: 1, write: { durability: 'local', compaction: false } },
  ] as const) {
    bench.progress(`readers, ${writer}`)
    const { replica, db } = await openWritten(stage.url(`readers-${rows.length}.db`), write)
    fill(db)
    const lookup = db.prepare('SELECT length(v) FROM t WHERE id = ?').pluck()
    for (let id = 1; id <= ROWS; id++) lookup.get(id)
    const thread = pages === 0 ? undefined : new CommitThread(replica.uri, pages)
    // Its first commit comes after the start of the thread.
    while (thread?.count === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const random = new Random(3)
    const times: number[] = []
    const [before, first] = [replica.stats().crossings, thread?.count ?? 0]
    const start = performance.now()
    const end = start + bench.size(4000, 300)
    while (performance.now() < end) {
      for (let i = 0; i < 50; i++) {
        const id = 1 + random.below(ROWS)
        const began = performance.now()
        lookup.get(id)
        times.push((performance.now() - began) * 1000)
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    const commits = (thread?.count ?? 0) - first
    const perSecond = (commits * 1000) / (performance.now() - start)
    const crossings = replica.stats().crossings - before
    await thread?.stop()
    times.sort((a, b) => a - b)
    rows.push({
      writer,
      commits: perSecond,
      median: quantile(times, 0.5),
      p99: quantile(times, 0.99),
      // A commit crosses twice: for the RESERVED lock and for the commit itself.
      crossings: Math.max(0, crossings - 2 * commits) / times.length,
    })
    db.close()
    await replica.close()
  }
  return { id: 'readers', title: 'Readers beside a writer in the same process', columns: READER_COLUMNS, rows }
}

interface First {
  readonly import: number
  readonly open: number
  readonly commit: number
  readonly all: number
  readonly cpu: number
}

async function firstCommits(bench: Bench, stage: Stage): Promise<ResultTable> {
  const { replica, db } = await openWritten(stage.url('first.db'), { compaction: false })
  fill(db)
  db.close()
  await replica.close()
  const rows = []
  for (const latency of LATENCIES) {
    bench.progress(`first commit, ${latency} ms`)
    await stage.proxy.latency(latency)
    const measured: (First & { readonly rounds: number; readonly rest: number })[] = []
    for (let round = bench.rounds(9, 2); round > 0; round--) {
      const child = () => answerOf<First>('first-commit-child.js', [PACKAGE, stage.url('first.db')])
      const { result, traffic } = await stage.traffic(child)
      measured.push({ ...result, rounds: traffic.rounds, rest: result.all - traffic.roundTime })
    }
    const of = (key: keyof First | 'rest') => spread(measured.map((one) => one[key]))
    const ms = { import: of('import'), open: of('open'), commit: of('commit'), all: of('all') }
    rows.push({ latency: `${latency} ms`, ...ms, rounds: measured.at(-1)!.rounds, rest: of('rest'), cpu: of('cpu') })
  }
  await stage.proxy.latency(0)
  const notes = [
    'The round trips include the lease, which `close()` releases, and, for the first write of a process, the probe for create-only PUTs.',
  ]
  return { id: 'first', title: 'A fresh process up to its first commit', columns: FIRST_COLUMNS, rows, notes }
}
