import { type Dataset, SIZES } from './support/dataset.js'
import { LocalReader, ReplicaReader } from './support/driver-reader.js'
import { fileReplica } from './support/file-replica.js'
import { type FirstExecution, firstExecution, sameRows } from './support/first-execution.js'
import { hasOfficialVfs, PythonReader } from './support/python-reader.js'
import { LOOKUP, QUERIES, type Query, USERS_SCAN } from './support/queries.js'
import type { Bench, Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Reader } from './support/reader.js'
import type { Column, Plot, ResultTable } from './support/result.js'
import type { Stage, Traffic } from './support/stage.js'
import { ratios, spread, spreadOf } from './support/stats.js'

const LATENCY = 20
const EXECUTIONS = 100

/** A scan of posts reads most of a database: it measures bytes, not growth. */
const COLD = [...QUERIES.slice(0, 5), USERS_SCAN]
const WARM = [LOOKUP, ...QUERIES.slice(0, 5)]

const OPEN_COLUMNS: readonly Column[] = [
  { key: 'size', label: 'database', unit: 'bytes' },
  { key: 'ours', label: 'replica', unit: 'ms' },
  { key: 'official', label: 'official VFS', unit: 'ms' },
  { key: 'rounds', label: 'round trips', unit: 'count' },
  { key: 'officialRounds', label: 'round trips, official', unit: 'count' },
  { key: 'bytes', label: 'bytes', unit: 'bytes' },
  { key: 'officialBytes', label: 'bytes, official', unit: 'bytes' },
  { key: 'settled', label: 'interior pages resident after', unit: 'ms' },
  { key: 'settledGets', label: 'GETs until then', unit: 'count' },
  { key: 'settledBytes', label: 'bytes until then', unit: 'bytes' },
]

const COLD_COLUMNS: readonly Column[] = [
  { key: 'query', label: 'query', unit: 'text' },
  { key: 'size', label: 'database', unit: 'bytes' },
  { key: 'ours', label: 'replica', unit: 'ms' },
  { key: 'official', label: 'official VFS', unit: 'ms' },
  { key: 'gets', label: 'GETs', unit: 'count' },
  { key: 'officialGets', label: 'GETs, official', unit: 'count' },
  { key: 'rounds', label: 'round trips', unit: 'count' },
  { key: 'bytes', label: 'bytes', unit: 'bytes' },
]

const WARM_COLUMNS: readonly Column[] = [
  { key: 'query', label: 'query', unit: 'text' },
  { key: 'size', label: 'database', unit: 'bytes' },
  { key: 'local', label: 'local file', unit: 'us' },
  { key: 'replica', label: 'replica', unit: 'us' },
  { key: 'ratio', label: 'replica / local', unit: 'x' },
  { key: 'official', label: 'official VFS, python', unit: 'us' },
]

type Row = ResultTable['rows'][number]

export const size: Question = {
  name: 'size',
  question: 'How do the time to open a replica and the time of a query grow with the size of the database?',
  limit:
    'A b-tree with a hundred times as many pages is one level deeper, and opening a replica reads the whole page index if the page index is smaller than 4 MiB.',
  budget: 120,
  needs: { s3: true },
  async run(bench) {
    const [opened, cold, warm]: Row[][] = [[], [], []]
    for (const posts of bench.quick ? [SIZES['10 MB']] : Object.values(SIZES)) {
      const { stage, data } = await bench.published(posts)
      await stage.proxy.latency(LATENCY)
      opened!.push(await measureOpening(bench, stage, data))
      for (const query of COLD) cold!.push(await measureCold(bench, stage, data, query))
      warm!.push(...(await measureWarm(bench, data)))
    }
    const growth = (name: string): Plot => {
      return { title: `Cold at ${LATENCY} ms: ${name}`, x: 'size', y: ['ours', 'official'], where: { query: name } }
    }
    return [
      {
        ...{ id: 'open', title: `Open to first row at ${LATENCY} ms`, columns: OPEN_COLUMNS, rows: opened! },
        plots: [{ title: 'Open to first row', x: 'size', y: ['ours', 'official'] }],
      },
      {
        ...{ id: 'cold', title: `First execution at ${LATENCY} ms`, columns: COLD_COLUMNS, rows: byQuery(COLD, cold!) },
        plots: [growth(QUERIES[0]!.name), growth(QUERIES[1]!.name)],
      },
      {
        ...{ id: 'warm', title: 'One warm execution, autocommit', columns: WARM_COLUMNS, rows: byQuery(WARM, warm!) },
        plots: [
          {
            title: 'Warm lookup',
            x: 'size',
            y: ['local', 'replica', 'official'],
            where: { query: LOOKUP.name },
            log: true,
          },
        ],
      },
    ]
  },
}

function byQuery(queries: readonly Query[], rows: readonly Row[]): Row[] {
  return queries.flatMap(({ name }) => rows.filter((row) => row.query === name))
}

async function measureOpening(bench: Bench, stage: Stage, data: Dataset): Promise<Row> {
  bench.progress(`opening ${Math.round(data.size / 1e6)} MB`)
  const opened = async (reader: Reader) => {
    const { result: ms, traffic } = await stage.traffic(() => reader.open())
    await reader.close()
    return { ms, traffic }
  }
  const [ours, settled, theirs]: { ms: number; traffic: Traffic }[][] = [[], [], []]
  for (let round = bench.rounds(3); round > 0; round--) {
    ours!.push(await opened(new ReplicaReader(stage.url('app.db'))))
    settled!.push(await settledAfter(stage))
    if (hasOfficialVfs()) theirs!.push(await opened(stage.official('app.db')))
  }
  return {
    size: data.size,
    ours: spreadOf(ours!, ({ ms }) => ms),
    official: spreadOf(theirs!, ({ ms }) => ms),
    rounds: spreadOf(ours!, ({ traffic }) => traffic.rounds),
    officialRounds: spreadOf(theirs!, ({ traffic }) => traffic.rounds),
    bytes: spreadOf(ours!, ({ traffic }) => traffic.bytes),
    officialBytes: spreadOf(theirs!, ({ traffic }) => traffic.bytes),
    settled: spreadOf(settled!, ({ ms }) => ms),
    settledGets: spreadOf(settled!, ({ traffic }) => traffic.gets),
    settledBytes: spreadOf(settled!, ({ traffic }) => traffic.bytes),
  }
}

/** An opening including its background prefetch. */
async function settledAfter(stage: Stage): Promise<{ ms: number; traffic: Traffic }> {
  const reader = new ReplicaReader(stage.url('app.db'))
  const start = performance.now()
  const { traffic } = await stage.traffic(async () => {
    await reader.open()
    await reader.settled()
  })
  const ms = performance.now() - start
  await reader.close()
  return { ms, traffic }
}

async function measureCold(bench: Bench, stage: Stage, data: Dataset, query: Query): Promise<Row> {
  bench.progress(`cold: ${query.name}, ${Math.round(data.size / 1e6)} MB`)
  const random = new Random(3)
  const [ours, theirs]: FirstExecution[][] = [[], []]
  for (let round = bench.rounds(query.scan ? 1 : 5, query.scan ? 1 : 2); round > 0; round--) {
    const keys = [query.parameters(random, data)]
    ours!.push(await firstExecution(stage, new ReplicaReader(stage.url('app.db')), query, keys))
    if (query.scan || !hasOfficialVfs()) continue
    theirs!.push(await firstExecution(stage, stage.official('app.db'), query, keys))
    sameRows(query, ours!.at(-1)!, theirs!.at(-1)!)
  }
  return {
    query: query.name,
    size: data.size,
    ours: spreadOf(ours!, ({ ms }) => ms),
    official: spreadOf(theirs!, ({ ms }) => ms),
    gets: spreadOf(ours!, ({ traffic }) => traffic.gets),
    officialGets: spreadOf(theirs!, ({ traffic }) => traffic.gets),
    rounds: spreadOf(ours!, ({ traffic }) => traffic.rounds),
    bytes: spreadOf(ours!, ({ traffic }) => traffic.bytes),
  }
}

/** Only pages that the queries read become resident. */
async function measureWarm(bench: Bench, data: Dataset): Promise<Row[]> {
  const url = await fileReplica(bench.directory, data.file, `replica-${data.posts}`)
  const readers: Reader[] = [new LocalReader(data.file), new ReplicaReader(url)]
  if (hasOfficialVfs()) readers.push(PythonReader.official(url))
  const rows: Row[] = []
  try {
    for (const reader of readers) await reader.open()
    for (const query of WARM) {
      bench.progress(`warm: ${query.name}, ${Math.round(data.size / 1e6)} MB`)
      const random = new Random(7)
      const keys = Array.from({ length: 50 }, () => query.parameters(random, data))
      const parameters = Array.from({ length: EXECUTIONS }, (_, i) => keys[i % keys.length]!)
      const times: number[][] = readers.map(() => [])
      for (const reader of readers) await reader.run(query.sql, parameters)
      for (let round = bench.rounds(5, 2); round > 0; round--) {
        for (const [i, reader] of readers.entries()) {
          times[i]!.push(((await reader.run(query.sql, parameters)).ms * 1000) / EXECUTIONS)
        }
      }
      const [local, ours, official] = times
      rows.push({
        query: query.name,
        size: data.size,
        local: spread(local!),
        replica: spread(ours!),
        ratio: ratios(ours!, local!),
        official: official ? spread(official) : null,
      })
    }
  } finally {
    for (const reader of readers) await reader.close()
  }
  return rows
}
