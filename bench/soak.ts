import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import Database from 'better-sqlite3'
import { type CompactionSettings, DEFAULT_COMPACTION_SETTINGS } from '../src/compaction/settings.js'
import { openReplica, parseTxid, restore } from '../src/index.js'
import { contentHashes, hashesOf } from '../test/support/content.js'
import { SIZES } from './support/dataset.js'
import { HeldProcess } from './support/held-process.js'
import { QUERIES } from './support/queries.js'
import type { Bench, Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Column, ResultTable } from './support/result.js'
import type { Stage } from './support/stage.js'
import { quantile, spread } from './support/stats.js'
import { startWriter } from './support/writer.js'

const RATE = 100
const CONNECTIONS = 8
/**
 * Seconds between two samples of memory and lag; a whole state is checked at every CHECK_EVERY-th.
 */
const TICK = 1
const CHECK_EVERY = 5

const COLUMNS: readonly Column[] = [
  { key: 'minutes', label: 'minutes', unit: 'count' },
  { key: 'reads', label: 'reads', unit: 'count' },
  { key: 'slowest', label: 'reads, p99', unit: 'ms' },
  { key: 'states', label: 'whole states checked', unit: 'count' },
  { key: 'wrong', label: 'wrong', unit: 'count' },
  { key: 'growth', label: 'memory, last third / second third', unit: 'x' },
  { key: 'requests', label: 'requests, per s', unit: 'per s' },
  { key: 'lists', label: 'LISTs, per s', unit: 'per s' },
]

const MEMORY_COLUMNS: readonly Column[] = [
  { key: 'minute', label: 'minute', unit: 'count' },
  { key: 'memory', label: 'memory', unit: 'bytes' },
  { key: 'lag', label: 'lag, at most', unit: 's' },
]

/**
 * Fast enough that files are deleted under the readers all the time, and slow enough that each TXID
 * can still be restored.
 */
const COMPACTION: CompactionSettings = {
  ...DEFAULT_COMPACTION_SETTINGS,
  levels: [
    { level: 1, interval: 5000 },
    { level: 2, interval: 20_000 },
  ],
  l0Retention: 30_000,
  l0RetentionCheckInterval: 2000,
}

/** The reading process's report about the time since the last request. */
interface Told {
  readonly reads: number
  readonly p99: number
  readonly lag: number
}

export const soak: Question = {
  name: 'soak',
  question: `Are the results of a reader correct, and does its memory stay bounded, if the primary commits ${RATE} times a second, compacts levels and deletes old files?`,
  limit:
    'After the caches are full, the memory of a reader should not grow. `--minutes` sets the duration of the benchmark.',
  budget: 600,
  needs: { s3: true },
  async run(bench) {
    const minutes = bench.minutes ?? bench.size(10, 0.2)
    const data = bench.dataset(SIZES['10 MB'])
    const stage = await bench.stage()
    bench.progress('starting the primary')
    const writer = await startWriter(data.file, bench.directory, stage.directUrl('app.db'), RATE, {
      compaction: COMPACTION,
    })
    const reader = await HeldProcess.start(import.meta.url, 'holdReaders', stage.url('app.db'), data)
    try {
      return await watch(bench, stage, reader, minutes)
    } finally {
      await reader.stop()
      await writer.close()
    }
  },
}

async function watch(bench: Bench, stage: Stage, reader: HeldProcess, minutes: number): Promise<ResultTable[]> {
  const [all, memory]: [Told[], ResultTable['rows'][number][]] = [[], []]
  let [states, wrong, requests, lists] = [0, 0, 0, 0]
  const start = performance.now()
  const passed = () => (performance.now() - start) / 60_000
  await stage.proxy.reset()
  for (let tick = 1; passed() < minutes; tick++) {
    await delay(TICK * 1000)
    const told = await reader.ask<Told>('tell')
    all.push(told)
    memory.push({ minute: Math.round(passed() * 100) / 100, memory: reader.memory, lag: told.lag })
    const counted = await stage.counted()
    requests = counted.requests
    lists = counted.lists
    if (tick % CHECK_EVERY !== 0) continue
    bench.progress(
      `${passed().toFixed(1)} of ${minutes} minutes, ${states} states, ${Math.round(reader.memory / 2 ** 20)} MiB`,
    )
    const state = await reader.ask<{ txid: number; hashes: Record<string, string> }>('state')
    states++
    if (!isDeepStrictEqual(state.hashes, await restored(bench, stage, state.txid))) wrong++
  }
  if (wrong > 0) throw new Error(`${wrong} of ${states} states were not those of their TXID`)
  const seconds = passed() * 60
  const row = {
    minutes: Math.round(passed() * 10) / 10,
    reads: all.reduce((sum, { reads }) => sum + reads, 0),
    slowest: quantile(
      all.map(({ p99 }) => p99).sort((a, b) => a - b),
      0.99,
    ),
    states,
    wrong,
    growth: growth(memory.map((one) => one.memory as number)),
    requests: requests / seconds,
    lists: lists / seconds,
  }
  const notes = [
    'To check a whole state, the benchmark reads every row of every table in one transaction of a reader, and compares the rows with a database that was restored to the same TXID.',
  ]
  return [
    { id: 'soak', title: `${CONNECTIONS} connections under mixed load`, columns: COLUMNS, rows: [row], notes },
    {
      ...{ id: 'memory', title: 'The reading process over time', columns: MEMORY_COLUMNS, rows: thinned(memory, 12) },
      plots: [{ title: 'Memory of the reading process', x: 'minute', y: ['memory'] }],
    },
  ]
}

/**
 * The median of the last third divided by that of the third before it, which excludes the start of
 * the process.
 */
function growth(values: readonly number[]): number {
  const third = Math.floor(values.length / 3)
  const median = (part: readonly number[]) => spread(part).median
  return median(values.slice(-third)) / median(values.slice(-2 * third, -third))
}

/** This many rows, evenly spaced, including the last. */
function thinned<T>(rows: readonly T[], count: number): T[] {
  const step = Math.max(1, rows.length / count)
  return Array.from({ length: Math.min(count, rows.length) }, (_, i) => rows[Math.ceil((i + 1) * step) - 1]!)
}

/**
 * The hashes of the restored database; a restore shares only the files with the replica's reading.
 */
async function restored(bench: Bench, stage: Stage, txid: number): Promise<Record<string, string>> {
  const client = await stage.client('app.db')
  const output = path.join(bench.directory, 'restored.db')
  await restore(client, { output, txid, force: true })
  await client.close()
  return contentHashes(output)
}

/** Connections that read all the time; answers 'tell' and 'state'. */
export async function holdReaders(url: string, data: { users: number; posts: number }) {
  const replica = await openReplica(url)
  const random = new Random(17)
  const connections = Array.from({ length: CONNECTIONS }, () => new Database(replica.uri, { readonly: true }))
  const statements = connections.map((db) => QUERIES.slice(0, 5).map(({ sql }) => db.prepare(sql).raw()))
  let times: number[] = []
  let [turn, lag] = [0, 0]
  const read = () => {
    const start = performance.now()
    try {
      statements[turn % CONNECTIONS]![turn % 5]!.all(...QUERIES[turn % 5]!.parameters(random, data))
    } catch (cause) {
      // SQLite reports only that a read failed.
      const why = connections[turn % CONNECTIONS]!.prepare('SELECT litestream_error()').pluck().get()
      throw new Error(`a read failed: ${why}`, { cause })
    }
    times.push(performance.now() - start)
    turn++
  }
  const timer = setInterval(() => {
    lag = Math.max(lag, replica.lagMs / 1000)
    for (let i = 0; i < 5; i++) read()
  }, 10)
  const answers = {
    tell: (): Told => {
      const told = {
        reads: times.length,
        p99:
          times.length === 0
            ? 0
            : quantile(
                times.sort((a, b) => a - b),
                0.99,
              ),
        lag,
      }
      times = []
      lag = 0
      return told
    },
    state: () => {
      const db = connections[0]!
      return db.transaction(() => {
        const txid = parseTxid(String(db.prepare('SELECT litestream_txid()').pluck().get()))
        return { txid, hashes: hashesOf(db) }
      })()
    },
  }
  const end = async () => {
    clearInterval(timer)
    for (const db of connections) db.close()
    await replica.close()
  }
  return Object.assign(end, { answers })
}
