import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { ReplicaOptions } from '../../src/replica/options.js'
import { ReplicaReader } from './driver-reader.js'
import { LivePrimary } from './live-primary.js'
import { QUERIES } from './queries.js'
import type { Bench } from './question.js'
import { Random } from './random.js'
import type { Column, ResultTable } from './result.js'
import type { Traffic } from './stage.js'
import { spreadOf } from './stats.js'

const HOT_POSTS = 20
/** The kinds of prefetch compared elsewhere that differ here. */
const COMPARED: ReadonlySet<string> = new Set(['all', 'without changes'])

const COLUMNS: readonly Column[] = [
  { key: 'readAhead', label: 'read-ahead', unit: 'text' },
  { key: 'pollGets', label: 'GETs of the poll', unit: 'count' },
  { key: 'pollBytes', label: 'bytes of the poll', unit: 'bytes' },
  { key: 'ms', label: `first ${HOT_POSTS} reads`, unit: 'ms' },
  { key: 'gets', label: 'GETs', unit: 'count' },
  { key: 'rounds', label: 'round trips', unit: 'count' },
  { key: 'bytes', label: 'bytes', unit: 'bytes' },
]

interface Measured {
  readonly poll: Traffic
  readonly ms: number
  readonly reads: Traffic
}

/**
 * The cost of reads of pages that were resident until the primary changed them, with and without
 * prefetch of changes.
 */
export async function afterCommits(
  bench: Bench,
  latency: number,
  readAheads: readonly { readonly name: string; readonly kinds: NonNullable<ReplicaOptions['readAhead']> }[],
): Promise<ResultTable> {
  const data = bench.dataset(12_500)
  const stage = await bench.stage()
  const directory = path.join(bench.directory, 'changes')
  mkdirSync(directory)
  const primary = await LivePrimary.start(data.file, directory, stage.directUrl('changes.db'))
  await primary.replication.sync({ wait: true })
  await stage.proxy.latency(latency)
  const query = QUERIES[0]!
  const random = new Random(17)
  const keys = Array.from({ length: HOT_POSTS }, () => query.parameters(random, data))
  const like = primary.db.prepare(
    `UPDATE posts SET like_count = like_count + 1 WHERE id IN (${keys.map(([id]) => id).join()})`,
  )
  const variants = readAheads
    .filter(({ name }) => COMPARED.has(name))
    .map(({ name, kinds }) => ({
      readAhead: name,
      reader: new ReplicaReader(stage.url('changes.db'), { readAhead: kinds, pollInterval: '1h' }),
      measured: [] as Measured[],
    }))
  try {
    for (const { reader } of variants) {
      await reader.open()
      await reader.settled()
      await reader.run(query.sql, keys)
      await reader.settled()
    }
    for (let round = bench.rounds(9, 2); round > 0; round--) {
      like.run()
      await primary.replication.sync({ wait: true })
      for (const { reader, measured } of variants) {
        const { traffic: poll } = await stage.traffic(async () => {
          await reader.replica.refresh()
          await reader.settled()
        })
        const { result, traffic: reads } = await stage.traffic(() => reader.run(query.sql, keys))
        measured.push({ poll, ms: result.ms, reads })
      }
    }
  } finally {
    for (const { reader } of variants) await reader.close()
    await primary.close()
  }
  const rows = variants.map(({ readAhead, measured }) => ({
    readAhead,
    pollGets: spreadOf(measured, ({ poll }) => poll.gets),
    pollBytes: spreadOf(measured, ({ poll }) => poll.bytes),
    ms: spreadOf(measured, ({ ms }) => ms),
    gets: spreadOf(measured, ({ reads }) => reads.gets),
    rounds: spreadOf(measured, ({ reads }) => reads.rounds),
    bytes: spreadOf(measured, ({ reads }) => reads.bytes),
  }))
  const notes = [
    'Between the rounds the primary changes the rows that are read; the poll finds the change before they are.',
  ]
  return { id: 'changes', title: `Reads after a commit at ${latency} ms`, columns: COLUMNS, rows, notes }
}
