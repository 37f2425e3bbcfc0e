import { rmSync } from 'node:fs'
import path from 'node:path'
import PQueue from 'p-queue'
import { LATENCIES } from './cold.js'
import { ReplicaReader, runOn } from './support/driver-reader.js'
import { QUERIES } from './support/queries.js'
import type { Bench, Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Column, ResultTable } from './support/result.js'
import type { Stage } from './support/stage.js'
import { quantile, ratios, spread } from './support/stats.js'

const RANGE = 4 * 1024 * 1024
const PARALLEL = 4
let copies = 0

const COLUMNS: readonly Column[] = [
  { key: 'latency', label: 'latency', unit: 'ms' },
  { key: 'stored', label: 'hydrate, stored bytes', unit: 'MB/s' },
  { key: 'pages', label: 'hydrate, pages', unit: 'MB/s' },
  { key: 'plain', label: 'plain parallel GETs', unit: 'MB/s' },
  { key: 'ratio', label: 'hydrate / plain', unit: 'x' },
  { key: 'requests', label: 'GETs', unit: 'count' },
  { key: 'before', label: 'p99 before', unit: 'us' },
  { key: 'during', label: 'p99 during', unit: 'us' },
  { key: 'slower', label: 'p99 during / before', unit: 'x' },
]

export const hydrate: Question = {
  name: 'hydrate',
  question: 'How fast does a reader fill its local copy, and how long do queries take during the filling?',
  limit: `A local copy cannot fill faster than plain GETs of ${RANGE >> 20} MiB, ${PARALLEL} at a time, download the same bytes, than the disk writes the pages, or than the processor decompresses the pages.`,
  budget: 100,
  needs: { s3: true },
  async run(bench) {
    const { stage, data } = await bench.published()
    // The first S3 replica of a process loads the SDK.
    const first = new ReplicaReader(stage.url('app.db'))
    await first.open()
    await first.close()
    const rows: ResultTable['rows'][number][] = []
    for (const latency of bench.quick ? [0, 20] : LATENCIES) {
      bench.progress(`${latency} ms`)
      await stage.proxy.latency(latency)
      const [stored, pages, plain, before, during, requests]: number[][] = [[], [], [], [], [], []]
      for (let round = bench.rounds(4, 1); round > 0; round--) {
        const { rate } = await plainGets(stage)
        plain!.push(rate)
        const one = await hydrateOnce(bench, stage, data)
        stored!.push(one.bytes / one.seconds / 1e6)
        pages!.push(data.size / one.seconds / 1e6)
        requests!.push(one.requests)
        before!.push(one.before)
        during!.push(one.during)
      }
      rows.push({
        latency,
        stored: spread(stored!),
        pages: spread(pages!),
        plain: spread(plain!),
        ratio: ratios(stored!, plain!),
        requests: spread(requests!),
        before: spread(before!),
        during: spread(during!),
        slower: ratios(during!, before!),
      })
    }
    const notes = [
      'The p99 is the time that only one percent of the warm `post + user` lookups on the thread of the connection exceed. The benchmark measures the p99 of the lookups before and during the filling of the local copy.',
    ]
    const plots = [
      { title: 'Hydration, MB/s', x: 'latency', y: ['stored', 'plain'] },
      { title: "Readers' p99, µs", x: 'latency', y: ['before', 'during'] },
    ]
    return [{ id: 'hydrate', title: 'Filling in a local copy', columns: COLUMNS, rows, notes, plots }]
  },
}

/** MB/s of the replica's one file, fetched through the proxy with plain GETs. */
async function plainGets(stage: Stage): Promise<{ rate: number }> {
  const { openReplicaClient } = await import('../src/storage/open.js')
  const client = await openReplicaClient(stage.url('app.db'))
  const file = { level: 9, minTxid: 1, maxTxid: 1 }
  const { size } = await client.stat(file)
  const queue = new PQueue({ concurrency: PARALLEL })
  const start = performance.now()
  for (let offset = 0; offset < size; offset += RANGE) {
    const length = Math.min(RANGE, size - offset)
    void queue.add(() => client.read(file, { offset, length }))
  }
  await queue.onIdle()
  const seconds = (performance.now() - start) / 1000
  await client.close()
  return { rate: size / seconds / 1e6 }
}

async function hydrateOnce(bench: Bench, stage: Stage, data: { users: number; posts: number }) {
  const query = QUERIES[0]!
  const random = new Random(9)
  const keys = Array.from({ length: 50 }, () => query.parameters(random, data))
  /** p99 in µs while `going` returns true, after everything that the lookups need is resident. */
  const measured = async (reader: ReplicaReader, going: (since: number) => boolean) => {
    const times: number[] = []
    for (const key of keys) runOn(reader.db, query.sql, [key])
    const statement = reader.db.prepare(query.sql).raw()
    const since = performance.now()
    do {
      for (const key of keys) {
        const start = performance.now()
        statement.all(...key)
        times.push((performance.now() - start) * 1000)
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    } while (going(since))
    return quantile(
      times.sort((a, b) => a - b),
      0.99,
    )
  }
  const plain = new ReplicaReader(stage.url('app.db'))
  // The copy begins to fill during the opening, so the time of an opening without a copy is
  // subtracted.
  const opening = await plain.open()
  const duration = bench.size(1000, 300)
  const before = await measured(plain, (since) => performance.now() - since < duration)
  await plain.close()

  const copy = path.join(bench.directory, `copy-${copies++}.db`)
  const reader = new ReplicaReader(stage.url('app.db'), { hydrate: copy })
  await stage.proxy.reset()
  const start = performance.now()
  await reader.open()
  let seconds = 0
  const hydrated = reader.replica.whenHydrated().then(() => {
    seconds = Math.max(1, performance.now() - start - opening) / 1000
  })
  const during = await measured(reader, () => seconds === 0)
  await hydrated
  const { gets, bytes } = await stage.counted()
  await reader.close()
  rmSync(copy)
  rmSync(`${copy}.meta`, { force: true })
  return { before, during, seconds, requests: gets, bytes }
}
