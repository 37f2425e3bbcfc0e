import { READ_AHEAD_KINDS } from '../src/native/read-ahead.js'
import { afterCommits } from './support/after-commit.js'
import { ReplicaReader } from './support/driver-reader.js'
import { firstExecution } from './support/first-execution.js'
import { LOOKUP, QUERIES, type Query, USERS_SCAN } from './support/queries.js'
import type { Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Column, ResultTable } from './support/result.js'
import { spreadOf } from './support/stats.js'

const LATENCY = 20

const COLUMNS: readonly Column[] = [
  { key: 'query', label: 'query', unit: 'text' },
  { key: 'readAhead', label: 'read-ahead', unit: 'text' },
  { key: 'ms', label: 'first execution', unit: 'ms' },
  { key: 'gets', label: 'GETs', unit: 'count' },
  { key: 'rounds', label: 'round trips', unit: 'count' },
  { key: 'bytes', label: 'bytes', unit: 'bytes' },
]

/** Hundreds of rows scattered over a table, one after another. */
const LOOKUPS: Query = { ...LOOKUP, name: '300 lookups' }

export const ahead: Question = {
  name: 'ahead',
  question: 'How does each kind of read-ahead change the duration of a query?',
  limit: 'Without read-ahead, every page costs a separate round trip.',
  needs: { s3: true },
  async run(bench) {
    const { stage, data } = await bench.published()
    await stage.proxy.latency(LATENCY)
    const variants = [
      { name: 'all', kinds: 'all' as const },
      ...READ_AHEAD_KINDS.map((without) => ({
        name: `without ${without}`,
        kinds: READ_AHEAD_KINDS.filter((kind) => kind !== without),
      })),
      { name: 'none', kinds: 'none' as const },
    ]
    const rows: ResultTable['rows'][number][] = []
    for (const query of [...QUERIES.slice(0, 4), LOOKUPS, USERS_SCAN]) {
      bench.progress(query.name)
      const single = query !== LOOKUPS && !query.scan
      const random = new Random(13)
      const executions = Array.from({ length: bench.rounds(single ? 5 : 1, single ? 2 : 1) }, () =>
        Array.from({ length: query === LOOKUPS ? 300 : 1 }, () => query.parameters(random, data)),
      )
      for (const { name, kinds } of variants) {
        const measured = []
        for (const keys of executions) {
          const reader = new ReplicaReader(stage.url('app.db'), { readAhead: kinds })
          measured.push(await firstExecution(stage, reader, query, keys))
        }
        rows.push({
          query: query.name,
          readAhead: name,
          ms: spreadOf(measured, ({ ms }) => ms),
          gets: spreadOf(measured, ({ traffic }) => traffic.gets),
          rounds: spreadOf(measured, ({ traffic }) => traffic.rounds),
          bytes: spreadOf(measured, ({ traffic }) => traffic.bytes),
        })
      }
    }
    bench.progress('after a commit')
    const changes = await afterCommits(bench, LATENCY, variants)
    return [{ id: 'kinds', title: `First executions at ${LATENCY} ms`, columns: COLUMNS, rows }, changes]
  },
}
