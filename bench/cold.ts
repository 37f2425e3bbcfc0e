import { openReplicaClient } from '../src/storage/open.js'
import { ReplicaReader } from './support/driver-reader.js'
import { hasOfficialVfs } from './support/python-reader.js'
import { QUERIES, type Query, USERS_SCAN } from './support/queries.js'
import type { Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Reader } from './support/reader.js'
import type { Column, ResultTable } from './support/result.js'
import type { Stage, Traffic } from './support/stage.js'
import { ratios, spread } from './support/stats.js'

/** Milliseconds that the proxy adds to every request. */
export const LATENCIES = [0, 4, 20, 50] as const

/** From here on nobody waits for the official VFS to scan a table. Bytes. */
const LARGE = 500e6

const FULL_SCAN = QUERIES.at(-1)

const COLUMNS: readonly Column[] = [
  { key: 'latency', label: 'latency', unit: 'ms' },
  { key: 'query', label: 'query', unit: 'text' },
  { key: 'ours', label: 'replica', unit: 'ms' },
  { key: 'official', label: 'official VFS', unit: 'ms' },
  { key: 'ratio', label: 'replica / official', unit: 'x' },
  { key: 'plain', label: 'one GET of the same bytes', unit: 'ms' },
  { key: 'plainRatio', label: 'replica / one GET', unit: 'x' },
  { key: 'gets', label: 'GETs', unit: 'count' },
  { key: 'officialGets', label: 'GETs, official', unit: 'count' },
  { key: 'rounds', label: 'round trips', unit: 'count' },
  { key: 'officialRounds', label: 'round trips, official', unit: 'count' },
  { key: 'bytes', label: 'bytes', unit: 'bytes' },
  { key: 'officialBytes', label: 'bytes, official', unit: 'bytes' },
]

const NOTES = [
  'A full scan of posts by the official VFS is made without added latency only: tens of thousands of requests one after another. On a large database it scans nothing.',
  'Each execution is the first query of a reader that has just been opened; the opening is not in it. Both readers get the same parameters and their rows are compared.',
]

export const cold: Question = {
  name: 'cold',
  question: 'What does a query cost whose pages are all in the store, beside the official VFS?',
  limit: 'Latency times the pages that depend on one another: one round trip a level of a b-tree.',
  needs: { s3: true },
  async run(bench) {
    const data = bench.dataset()
    const stage = await bench.stage()
    bench.progress('publishing the dataset')
    await stage.publish('app.db', data.file)
    const rows: ResultTable['rows'][number][] = []
    for (const latency of bench.quick || data.size > LARGE ? [0, 20] : LATENCIES) {
      await stage.proxy.latency(latency)
      const random = new Random(3)
      for (const query of [...QUERIES, USERS_SCAN]) {
        bench.progress(`${query.name} at ${latency} ms`)
        const { scan = false } = query
        const keys = Array.from({ length: bench.rounds(scan ? 3 : 7, scan ? 1 : 3) }, () =>
          query.parameters(random, data),
        )
        // Tens of thousands of requests one after another: their number does not depend on the latency, so once will do.
        const patient = !query.scan || (data.size < LARGE && (query !== FULL_SCAN || latency === 0))
        rows.push({ latency, query: query.name, ...(await measure(stage, query, keys, patient && hasOfficialVfs())) })
      }
    }
    await stage.proxy.latency(0)
    const plots = [...QUERIES, USERS_SCAN].slice(0, 5).map((query) => ({
      title: `Cold: ${query.name}`,
      x: 'latency',
      y: ['ours', 'official'],
      where: { query: query.name },
    }))
    return [{ id: 'queries', title: 'First execution of a query', columns: COLUMNS, rows, notes: NOTES, plots }]
  },
}

async function measure(stage: Stage, query: Query, keys: readonly number[][], official: boolean) {
  const ours: Measured[] = []
  const theirs: Measured[] = []
  const plain: number[] = []
  for (const key of keys) {
    ours.push(await once(stage, new ReplicaReader(stage.url('app.db')), query, key))
    if (query.scan) plain.push(await plainGet(stage, ours.at(-1)!.traffic.bytes))
    if (!official || (query.scan && theirs.length > 0)) continue
    theirs.push(await once(stage, stage.official('app.db'), query, key))
    const [a, b] = [ours.at(-1)!, theirs.at(-1)!].map(({ rows }) => JSON.stringify(rows))
    if (a !== b) throw new Error(`${query.name}(${key}): the replica answered ${a}, the official VFS ${b}`)
  }
  const of = (measured: readonly Measured[], pick: (one: Measured) => number) =>
    measured.length === 0 ? null : spread(measured.map(pick))
  return {
    ours: of(ours, ({ ms }) => ms),
    official: of(theirs, ({ ms }) => ms),
    ratio:
      theirs.length === 0
        ? null
        : ratios(
            ours.slice(0, theirs.length).map(({ ms }) => ms),
            theirs.map(({ ms }) => ms),
          ),
    plain: plain.length === 0 ? null : spread(plain),
    plainRatio:
      plain.length === 0
        ? null
        : ratios(
            ours.map(({ ms }) => ms),
            plain,
          ),
    gets: of(ours, ({ traffic }) => traffic.gets),
    officialGets: of(theirs, ({ traffic }) => traffic.gets),
    rounds: of(ours, ({ traffic }) => traffic.rounds),
    officialRounds: of(theirs, ({ traffic }) => traffic.rounds),
    bytes: of(ours, ({ traffic }) => traffic.bytes),
    officialBytes: of(theirs, ({ traffic }) => traffic.bytes),
  }
}

/** Milliseconds of one GET of so many bytes of the replica's file. */
async function plainGet(stage: Stage, length: number): Promise<number> {
  const client = await openReplicaClient(stage.url('app.db'))
  const start = performance.now()
  await client.read({ level: 9, minTxid: 1, maxTxid: 1 }, { offset: 0, length })
  const ms = performance.now() - start
  await client.close()
  return ms
}

interface Measured {
  readonly ms: number
  readonly traffic: Traffic
  readonly rows: readonly (readonly unknown[])[]
}

async function once(stage: Stage, reader: Reader, query: Query, key: readonly number[]): Promise<Measured> {
  try {
    await reader.open()
    const { result, traffic } = await stage.traffic(() => reader.run(query.sql, [key], { rows: true }))
    return { ms: result.ms, traffic, rows: result.rows! }
  } finally {
    await reader.close()
  }
}
