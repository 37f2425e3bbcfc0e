import type { Dataset } from './support/dataset.js'
import { LocalReader, ReplicaReader } from './support/driver-reader.js'
import { fileReplica } from './support/file-replica.js'
import { hasOfficialVfs, PythonReader } from './support/python-reader.js'
import { LOOKUP, QUERIES, type Query } from './support/queries.js'
import type { Bench, Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Reader } from './support/reader.js'
import type { Column, ResultTable } from './support/result.js'
import { ratios, spread } from './support/stats.js'

/** Number of different parameters of a query: few enough that their pages fit any cache. */
const KEYS = 50
/**
 * So many that their pages fit the VFS's cache but not SQLite's own: each execution reads through
 * the VFS.
 */
const MANY_KEYS = 10_000
const EXECUTIONS = 200

/**
 * From here on the official VFS, which takes 64 KiB of memory for a page of any size, cannot hold
 * the database. Bytes.
 */
const LARGE = 500e6
const OFFICIAL_CACHE = 64 * 1024 * 1024

const ANYWHERE: Query = { ...QUERIES[0]!, name: `${QUERIES[0]!.name}, any` }

const COLUMNS: readonly Column[] = [
  { key: 'size', label: 'database', unit: 'bytes' },
  { key: 'mode', label: 'mode', unit: 'text' },
  { key: 'query', label: 'query', unit: 'text' },
  { key: 'local', label: 'local file', unit: 'us' },
  { key: 'replica', label: 'replica', unit: 'us' },
  { key: 'ratio', label: 'replica / local', unit: 'x' },
  { key: 'crossings', label: 'crossings', unit: 'count' },
  { key: 'python', label: 'local file, python', unit: 'us' },
  { key: 'official', label: 'official VFS, python', unit: 'us' },
  { key: 'officialRatio', label: 'official / local', unit: 'x' },
]

export const warm: Question = {
  name: 'warm',
  question: 'How long does a query take if its pages are resident, compared with the local file and the same driver?',
  limit:
    'The time of SQLite itself limits a warm query, so the benchmark runs the same statements on the local file. The VFS adds one copy of each page that is not in the cache of SQLite.',
  async run(bench) {
    const rows = await measure(bench, bench.dataset())
    return [{ id: 'warm', title: 'Warm queries, one execution', columns: COLUMNS, rows, notes: NOTES }]
  },
}

const NOTES = [
  'The replica is in a folder, the reader polls the replica during the measurement, and all pages are resident. A ratio compares times of the same round. Crossings are the requests from native code to JavaScript. The table contains the sum of the crossings of all rounds.',
  'The official VFS runs in python3, so the benchmark compares the official VFS with the local file in python3. The cache of the official VFS holds the whole database if the machine has enough memory, because this cache needs 64 KiB of memory per page, whatever the page size.',
]

async function measure(bench: Bench, data: Dataset): Promise<ResultTable['rows']> {
  bench.progress(`publishing ${data.file}`)
  const url = await fileReplica(bench.directory, data.file, `replica-${data.posts}`)

  const replica = new ReplicaReader(url, { cacheSize: data.size * 2 })
  const readers: Reader[] = [new LocalReader(data.file), replica]
  if (hasOfficialVfs()) {
    const cache = data.size < LARGE ? data.size * 2 : OFFICIAL_CACHE
    readers.push(PythonReader.local(data.file), PythonReader.official(url, {}, { cache_size: String(cache) }))
  }
  for (const reader of readers) await reader.open()
  const rows = []
  try {
    bench.progress('reading everything once')
    for (const reader of data.size < LARGE ? readers : readers.slice(0, 2)) await readAll(reader)
    for (const transaction of [false, true]) {
      for (const query of [LOOKUP, ANYWHERE, ...QUERIES]) {
        bench.progress(`${query.name}${transaction ? ' in a transaction' : ''}`)
        const before = replica.replica.stats().crossings
        const fits = data.size < LARGE || !(query.scan || query === ANYWHERE)
        const times = await time(bench, fits ? readers : readers.slice(0, 2), query, data, transaction)
        const crossings = replica.replica.stats().crossings - before
        const [local, ours, python, official] = times
        rows.push({
          size: data.size,
          mode: transaction ? 'transaction' : 'autocommit',
          query: query.name,
          local: spread(local!),
          replica: spread(ours!),
          ratio: ratios(ours!, local!),
          crossings,
          python: python ? spread(python) : null,
          official: official ? spread(official) : null,
          officialRatio: official && python ? ratios(official, python) : null,
        })
      }
    }
  } finally {
    for (const reader of readers) await reader.close()
  }
  return rows
}

/** Every page of every table and index becomes resident. */
async function readAll(reader: Reader): Promise<void> {
  for (const sql of [
    'SELECT count(*), sum(length(about)) FROM users NOT INDEXED',
    'SELECT count(*), sum(length(content)) FROM posts NOT INDEXED',
    'SELECT count(*), sum(created_at) FROM likes NOT INDEXED',
    'SELECT count(*), sum(since) FROM friendships',
    'SELECT count(*), sum(user_id + created_at) FROM posts INDEXED BY posts_user WHERE user_id > 0',
    'SELECT count(*), sum(post_id + created_at) FROM likes INDEXED BY likes_post WHERE post_id > 0',
    'SELECT count(*), sum(user_id) FROM likes INDEXED BY likes_user WHERE user_id > 0',
  ]) {
    await reader.run(sql, [[]])
  }
}

/** Microseconds of one execution, by reader and round; the readers take turns. */
async function time(
  bench: Bench,
  readers: readonly Reader[],
  query: Query,
  data: Dataset,
  transaction: boolean,
): Promise<number[][]> {
  const random = new Random(7)
  const { scan = false } = query
  const many = query === ANYWHERE
  const executions = scan ? 1 : many ? MANY_KEYS : EXECUTIONS
  const keys = Array.from({ length: many ? MANY_KEYS : KEYS }, () => query.parameters(random, data))
  const parameters = Array.from({ length: executions }, (_, i) => keys[i % keys.length]!)
  const times: number[][] = readers.map(() => [])
  for (const reader of readers) await reader.run(query.sql, parameters, { transaction })
  for (let round = bench.rounds(scan || many ? 5 : 11, 3); round > 0; round--) {
    for (const [i, reader] of readers.entries()) {
      const { ms } = await reader.run(query.sql, parameters, { transaction })
      times[i]!.push((ms * 1000) / executions)
    }
  }
  return times
}
