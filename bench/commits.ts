import path from 'node:path'
import Database from 'better-sqlite3'
import { openReplica, type Replica } from '../src/replica/handle/open-replica.js'
import type { ReplicaOptions } from '../src/replica/options.js'
import { openReplicaClient } from '../src/storage/open.js'
import { collect } from '../test/support/collect.js'
import type { Bench, Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Column, ResultTable } from './support/result.js'
import type { Stage } from './support/stage.js'
import { ratios, spread } from './support/stats.js'

/** Milliseconds that the proxy adds to each response. */
const LATENCIES = [0, 5, 20]
/** Pages that a transaction changes, besides the first page of the database. */
const GROUPS = [1, 10, 100]
/** Rows of the table, each on a page of its own. */
const ROWS = 1000

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
  { key: 'local', label: 'commits to the buffer', unit: 'per s' },
  { key: 'wal', label: 'commits to a local WAL database', unit: 'per s' },
  { key: 'ratio', label: 'buffer / WAL', unit: 'x' },
]

export const commits: Question = {
  name: 'commits',
  question: 'How long does a commit through the VFS take, and how many are made per second?',
  limit: 'One PUT of the same bytes to the store; with a local buffer, one fsync of the disk.',
  budget: 120,
  needs: { s3: true },
  async run(bench) {
    const stage = await bench.stage()
    return [await commitsToStore(bench, stage), await commitsToBuffer(bench, stage)]
  },
}

/** A table whose rows each fill a page. */
function fill(db: Database.Database): void {
  db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
  const random = new Random(1)
  const insert = db.prepare('INSERT INTO t VALUES (?, ?)')
  db.transaction(() => {
    for (let id = 1; id <= ROWS; id++) insert.run(id, random.text(600).padEnd(3500).slice(0, 3500))
  })()
}

/** Makes commits that each change a group of pages. */
class Updates {
  readonly #db: Database.Database
  readonly #random = new Random(2)

  constructor(db: Database.Database) {
    this.#db = db
  }

  /** One commit. Returns its milliseconds, from the COMMIT statement on. */
  commit(pages: number): number {
    const first = 1 + this.#random.below(ROWS - pages)
    const words = this.#random.text(8).padEnd(20).slice(0, 20)
    this.#db.exec('BEGIN IMMEDIATE')
    this.#db
      .prepare('UPDATE t SET v = ? || substr(v, 21) WHERE id BETWEEN ? AND ?')
      .run(words, first, first + pages - 1)
    const start = performance.now()
    this.#db.exec('COMMIT')
    return performance.now() - start
  }

  /** Commits per second. */
  rate(pages: number, count: number): number {
    const start = performance.now()
    for (let i = 0; i < count; i++) this.commit(pages)
    return (count * 1000) / (performance.now() - start)
  }
}

async function openWritten(
  url: string,
  write: ReplicaOptions['write'],
): Promise<{ readonly replica: Replica; readonly db: Database.Database }> {
  const replica = await openReplica(url, { write, pollInterval: '10m' })
  const db = new Database(replica.uri)
  return { replica, db }
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

/** Both sync the disk for each commit; the buffer is uploaded every second meanwhile. */
async function commitsToBuffer(bench: Bench, stage: Stage): Promise<ResultTable> {
  const bufferPath = path.join(bench.directory, 'commits.buffer')
  const { replica, db } = await openWritten(stage.url('local.db'), { bufferPath, compaction: false })
  const wal = new Database(path.join(bench.directory, 'wal.db'))
  try {
    wal.pragma('journal_mode = wal')
    wal.pragma('synchronous = full')
    fill(db)
    fill(wal)
    const [buffered, local] = [new Updates(db), new Updates(wal)]
    const rows = []
    for (const pages of GROUPS) {
      bench.progress(`buffer, ${pages} pages`)
      const count = Math.max(5, Math.floor(bench.size(500, 50) / pages))
      const [rates, wals]: number[][] = [[], []]
      for (let round = bench.rounds(5, 1); round > 0; round--) {
        rates!.push(buffered.rate(pages, count))
        wals!.push(local.rate(pages, count))
        await replica.flush()
      }
      rows.push({ pages, local: spread(rates!), wal: spread(wals!), ratio: ratios(rates!, wals!) })
    }
    return { id: 'local', title: 'Commits to a local buffer', columns: LOCAL_COLUMNS, rows }
  } finally {
    db.close()
    wal.close()
    await replica.close()
  }
}
