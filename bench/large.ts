import { createReadStream, rmSync, statfsSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { openReplica } from '../src/index.js'
import { restore } from '../src/restore/restore.js'
import { openReplicaClient } from '../src/storage/open.js'
import { largeTableValue, writeLargeSnapshot } from '../test/support/large-snapshot.js'
import { ReplicaReader } from './support/driver-reader.js'
import { inFreshProcess } from './support/fresh-process.js'
import { memoryOf } from './support/machine.js'
import type { Bench, Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Column, ResultTable } from './support/result.js'
import type { Stage, Traffic } from './support/stage.js'
import { spreadOf } from './support/stats.js'

const LATENCY = 20
const PAGE_SIZE = 4096
/** Rows of the table. Each row has its own leaf page, so this is nearly the number of pages. */
const ROWS = [262_000, 2_620_000, 26_200_000]
const LOOKUPS = 200

const OPEN_COLUMNS: readonly Column[] = [
  { key: 'size', label: 'database', unit: 'bytes' },
  { key: 'file', label: 'snapshot', unit: 'bytes' },
  { key: 'ms', label: 'open to first row', unit: 'ms' },
  { key: 'rounds', label: 'round trips', unit: 'count' },
  { key: 'gets', label: 'GETs', unit: 'count' },
  { key: 'bytes', label: 'bytes', unit: 'bytes' },
  { key: 'memory', label: 'memory over an unopened process', unit: 'bytes' },
  { key: 'peak', label: 'at most while opening', unit: 'bytes' },
]

const LOOKUP_COLUMNS: readonly Column[] = [
  { key: 'size', label: 'database', unit: 'bytes' },
  { key: 'first', label: 'first lookup', unit: 'ms' },
  { key: 'firstRounds', label: 'round trips', unit: 'count' },
  { key: 'firstBytes', label: 'bytes', unit: 'bytes' },
  { key: 'later', label: `each of ${LOOKUPS} lookups`, unit: 'ms' },
  { key: 'laterRounds', label: 'round trips of each', unit: 'count' },
  { key: 'laterBytes', label: 'bytes of each', unit: 'bytes' },
]

const WHOLE_COLUMNS: readonly Column[] = [
  { key: 'size', label: 'database', unit: 'bytes' },
  { key: 'restore', label: 'restore', unit: 'MB/s' },
  { key: 'restoreMemory', label: 'memory of the restore', unit: 'bytes' },
  { key: 'copy', label: 'local copy', unit: 'MB/s' },
  { key: 'copyMemory', label: 'memory of the reader', unit: 'bytes' },
]

type Row = ResultTable['rows'][number]

export const large: Question = {
  name: 'large',
  question: 'What do an opening, a lookup, a restore and a local copy of a database of up to 100 GB cost?',
  limit:
    'A lookup in a large snapshot needs a block of the page index before each page whose block is not in memory, so it takes up to twice as many round trips.',
  budget: 600,
  needs: { s3: true },
  async run(bench) {
    const [opened, lookups, whole]: Row[][] = [[], [], []]
    for (const rows of bench.quick ? [26_200] : ROWS) {
      bench.progress(`writing a snapshot with ${rows} rows`)
      const directory = path.join(bench.directory, String(rows))
      const { file, commit, size } = writeLargeSnapshot(directory, { rows, pageSize: PAGE_SIZE })
      const url = pathToFileURL(directory).href
      const database = commit * PAGE_SIZE
      const stage = await bench.stage()
      bench.progress('uploading the snapshot')
      const client = await stage.client('app.db')
      await client.write({ level: 9, minTxid: 1, maxTxid: 1 }, createReadStream(file, { highWaterMark: 1 << 20 }), {
        timestamp: Date.now(),
      })
      await client.close()
      await stage.proxy.latency(LATENCY)
      bench.progress('opening')
      const memory = await inFreshProcess<number>(import.meta.url, 'openOnce', url)
      opened!.push({
        size: database,
        file: size,
        ...(await measureOpening(bench, stage)),
        memory: memory.result - memory.memoryBefore,
        peak: memory.memoryPeak - memory.memoryBefore,
      })
      bench.progress('lookups')
      lookups!.push({ size: database, ...(await measureLookups(bench, stage, rows)) })
      const { bavail, bsize } = statfsSync(bench.directory)
      if (bavail * bsize > database * 2) whole!.push(await measureWhole(bench, url, directory, database))
      rmSync(directory, { recursive: true })
    }
    const notes = [
      'The database has one table with one small row in each leaf page, so the snapshot is much smaller than the database. The size of the page index is as usual.',
    ]
    return [
      { id: 'open', title: `Opening at ${LATENCY} ms`, columns: OPEN_COLUMNS, rows: opened!, notes },
      { id: 'lookup', title: `Lookups of random rows at ${LATENCY} ms`, columns: LOOKUP_COLUMNS, rows: lookups! },
      {
        ...{ id: 'whole', title: 'Restore and local copy from file://', columns: WHOLE_COLUMNS, rows: whole! },
        notes: ['Only databases for which the disk of the machine has room.'],
      },
    ]
  },
}

async function measureOpening(bench: Bench, stage: Stage): Promise<Row> {
  const runs: { ms: number; traffic: Traffic }[] = []
  for (let round = bench.rounds(5, 1); round > 0; round--) {
    const reader = new ReplicaReader(stage.url('app.db'), { readAhead: 'none' })
    const { result: ms, traffic } = await stage.traffic(() => reader.open())
    await reader.close()
    runs.push({ ms, traffic })
  }
  return {
    ms: spreadOf(runs, ({ ms }) => ms),
    rounds: spreadOf(runs, ({ traffic }) => traffic.rounds),
    gets: spreadOf(runs, ({ traffic }) => traffic.gets),
    bytes: spreadOf(runs, ({ traffic }) => traffic.bytes),
  }
}

async function measureLookups(bench: Bench, stage: Stage, rows: number): Promise<Row> {
  const random = new Random(11)
  const runs: { ms: number; traffic: Traffic; later: number; all: Traffic }[] = []
  for (let round = bench.rounds(3, 1); round > 0; round--) {
    const reader = new ReplicaReader(stage.url('app.db'))
    await reader.open()
    await reader.settled()
    const lookup = async (count: number) => {
      const statement = reader.db.prepare('SELECT v FROM t WHERE id = ?').pluck()
      const start = performance.now()
      const { traffic } = await stage.traffic(async () => {
        for (let i = 0; i < count; i++) {
          const id = 1 + random.below(rows)
          if (statement.get(id) !== largeTableValue(id)) throw new Error(`row ${id} is wrong`)
        }
      })
      return { ms: performance.now() - start, traffic }
    }
    const first = await lookup(1)
    const { ms: later, traffic: all } = await lookup(LOOKUPS)
    await reader.close()
    runs.push({ ...first, later, all })
  }
  return {
    first: spreadOf(runs, ({ ms }) => ms),
    firstRounds: spreadOf(runs, ({ traffic }) => traffic.rounds),
    firstBytes: spreadOf(runs, ({ traffic }) => traffic.bytes),
    later: spreadOf(runs, ({ later }) => later / LOOKUPS),
    laterRounds: spreadOf(runs, ({ all }) => all.rounds / LOOKUPS),
    laterBytes: spreadOf(runs, ({ all }) => Math.round(all.bytes / LOOKUPS)),
  }
}

async function measureWhole(bench: Bench, url: string, directory: string, database: number): Promise<Row> {
  bench.progress('restore')
  const output = path.join(directory, 'out.db')
  const restored = await inFreshProcess<number>(import.meta.url, 'restoreOnce', url, output)
  rmSync(output)
  bench.progress('local copy')
  const copied = await inFreshProcess<number>(import.meta.url, 'copyOnce', url, output)
  return {
    size: database,
    restore: database / 1e6 / restored.result,
    restoreMemory: restored.memoryPeak - restored.memoryBefore,
    copy: database / 1e6 / copied.result,
    copyMemory: copied.memoryPeak - copied.memoryBefore,
  }
}

/** Bytes of memory after the first row. Runs in a separate process. */
export async function openOnce(url: string): Promise<number> {
  const replica = await openReplica(url)
  const db = new Database(replica.uri, { readonly: true })
  db.prepare('SELECT * FROM sqlite_schema').all()
  const { resident } = memoryOf()
  db.close()
  await replica.close()
  return resident
}

/** Seconds. Runs in a separate process. */
export async function restoreOnce(url: string, output: string): Promise<number> {
  const client = await openReplicaClient(url)
  const start = performance.now()
  await restore(client, { output, integrityCheck: 'none' })
  const seconds = (performance.now() - start) / 1000
  await client.close()
  return seconds
}

/** Seconds. Runs in a separate process. */
export async function copyOnce(url: string, copy: string): Promise<number> {
  const start = performance.now()
  const replica = await openReplica(url, { hydrate: copy })
  await replica.whenHydrated()
  const seconds = (performance.now() - start) / 1000
  await replica.close()
  return seconds
}
