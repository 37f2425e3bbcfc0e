import { ReplicaReader } from './support/driver-reader.js'
import { fileReplica } from './support/file-replica.js'
import { LOOKUP, QUERIES } from './support/queries.js'
import type { Question } from './support/question.js'
import { Random } from './support/random.js'
import { runThreads } from './support/reader-thread.js'
import type { Column } from './support/result.js'
import { ratios, spread } from './support/stats.js'

const COLUMNS: readonly Column[] = [
  { key: 'query', label: 'query', unit: 'text' },
  { key: 'subject', label: 'reader', unit: 'text' },
  { key: 'one', label: '1 thread, per s', unit: 'per s' },
  { key: 'two', label: '2 threads, per s', unit: 'per s' },
  { key: 'ratio', label: '2 threads / 1', unit: 'x' },
]

const [postAndUser, , , , , scan] = QUERIES

export const threads: Question = {
  name: 'threads',
  question: 'Do two reader threads execute twice as many queries as one reader thread?',
  limit: 'Reader threads share the processor cores of the machine with the other threads of the process.',
  async run(bench) {
    const data = bench.dataset()
    const url = await fileReplica(bench.directory, data.file)
    const replica = new ReplicaReader(url, { cacheSize: data.size * 2 })
    await replica.open()
    const random = new Random(5)
    const subjects = [
      { subject: 'replica', uri: replica.replica.uri },
      { subject: 'local file', uri: data.file },
    ]
    const rows = []
    for (const { query, keys, name } of [
      { query: LOOKUP, keys: 50, name: LOOKUP.name },
      // Far more pages than SQLite's own cache holds: every execution reads through the VFS.
      { query: postAndUser!, keys: 10_000, name: `${postAndUser!.name}, any of 10,000` },
      { query: scan!, keys: 1, name: scan!.name },
    ]) {
      const parameters = Array.from({ length: keys }, () => query.parameters(random, data))
      const rates = subjects.map((): { one: number[]; two: number[] } => ({ one: [], two: [] }))
      for (let round = bench.rounds(5, 2); round > 0; round--) {
        for (const [i, { uri }] of subjects.entries()) {
          const options = { uri, sql: query.sql, parameters, duration: bench.size(1000, 200) }
          rates[i]!.one.push(await runThreads(1, options))
          rates[i]!.two.push(await runThreads(2, options))
        }
      }
      for (const [i, { subject }] of subjects.entries()) {
        const { one, two } = rates[i]!
        rows.push({ query: name, subject, one: spread(one), two: spread(two), ratio: ratios(two, one) })
      }
    }
    await replica.close()
    return [{ id: 'threads', title: 'Executions a second, all pages resident', columns: COLUMNS, rows }]
  },
}
