import { openReplicaClient } from '../src/storage/open.js'
import { ReplicaReader } from './support/driver-reader.js'
import { type FirstExecution, firstExecution, sameRows } from './support/first-execution.js'
import { hasOfficialVfs } from './support/python-reader.js'
import { QUERIES, type Query, USERS_SCAN } from './support/queries.js'
import type { Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Column, ResultTable } from './support/result.js'
import type { Stage } from './support/stage.js'
import { ratios, spread, spreadOf } from './support/stats.js'

/** Milliseconds that the proxy adds to every request. */
export const LATENCIES = [0, 4, 20, 50] as const

/**
 * Databases above this size are not measured with scans through the official VFS, which take too
 * long. Bytes.
 */
const LARGE = 500e6

/**
 * Tables that the official VFS may scan: thousands of requests in sequence, whose number does not
 * depend on the latency.
 */
const PATIENT = new Map<Query, readonly number[]>([
  [QUERIES.at(-1)!, [0]],
  [USERS_SCAN, [0, 20]],
])

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
  'The official VFS sends thousands of requests one after another for a scan. For the official VFS, the benchmark therefore measures the scan of posts only without added latency, and the scan of users at only two latencies. On the large database, the benchmark does not measure the scans of the official VFS.',
  'Each execution is the first query of a new reader that has fetched the interior pages of its b-trees. The times include neither the opening of the reader nor the fetch of the interior pages. litestream-ts and the official VFS run each query with the same parameters, and the benchmark compares their rows.',
]

export const cold: Question = {
  name: 'cold',
  question: 'How long does a query take if none of its pages is in memory, compared with the official VFS?',
  limit:
    'A query takes at least one round trip for each level of a b-tree, because a page of one level contains the page numbers of the next level.',
  budget: 200,
  needs: { s3: true },
  async run(bench) {
    const { stage, data } = await bench.published()
    const rows: ResultTable['rows'][number][] = []
    for (const latency of bench.quick || data.size > LARGE ? [0, 20] : LATENCIES) {
      await stage.proxy.latency(latency)
      const random = new Random(3)
      for (const query of [...QUERIES, USERS_SCAN]) {
        bench.progress(`${query.name} at ${latency} ms`)
        const { scan = false } = query
        const keys = Array.from({ length: bench.rounds(scan ? 2 : 5, scan ? 1 : 3) }, () =>
          query.parameters(random, data),
        )
        const patient = !scan || (data.size < LARGE && PATIENT.get(query)?.includes(latency))
        rows.push({
          latency,
          query: query.name,
          ...(await measure(stage, query, keys, patient === true && hasOfficialVfs())),
        })
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
  const ours: FirstExecution[] = []
  const theirs: FirstExecution[] = []
  const plain: number[] = []
  for (const key of keys) {
    ours.push(await firstExecution(stage, new ReplicaReader(stage.url('app.db')), query, [key]))
    if (query.scan) plain.push(await plainGet(stage, ours.at(-1)!.traffic.bytes))
    if (!official || (query.scan && theirs.length > 0)) continue
    theirs.push(await firstExecution(stage, stage.official('app.db'), query, [key]))
    sameRows(query, ours.at(-1)!, theirs.at(-1)!)
  }
  return {
    ours: spreadOf(ours, ({ ms }) => ms),
    official: spreadOf(theirs, ({ ms }) => ms),
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
    gets: spreadOf(ours, ({ traffic }) => traffic.gets),
    officialGets: spreadOf(theirs, ({ traffic }) => traffic.gets),
    rounds: spreadOf(ours, ({ traffic }) => traffic.rounds),
    officialRounds: spreadOf(theirs, ({ traffic }) => traffic.rounds),
    bytes: spreadOf(ours, ({ traffic }) => traffic.bytes),
    officialBytes: spreadOf(theirs, ({ traffic }) => traffic.bytes),
  }
}

/** Milliseconds of one GET of this many bytes of the replica's file. */
async function plainGet(stage: Stage, length: number): Promise<number> {
  const client = await openReplicaClient(stage.url('app.db'))
  const start = performance.now()
  await client.read({ level: 9, minTxid: 1, maxTxid: 1 }, { offset: 0, length })
  const ms = performance.now() - start
  await client.close()
  return ms
}
