import { LocalReader, ReplicaReader } from './support/driver-reader.js'
import { hasOfficialVfs } from './support/python-reader.js'
import { LOOKUP, QUERIES } from './support/queries.js'
import type { Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Reader } from './support/reader.js'
import type { Column } from './support/result.js'
import { ratios, spread } from './support/stats.js'
import { startWriter } from './support/writer.js'

const RATE = 100
const KEYS = 50
const EXECUTIONS = 200

const COLUMNS: readonly Column[] = [
  { key: 'query', label: 'query', unit: 'text' },
  { key: 'local', label: "primary's file", unit: 'us' },
  { key: 'replica', label: 'replica', unit: 'us' },
  { key: 'ratio', label: 'replica / local', unit: 'x' },
  { key: 'official', label: 'official VFS, python', unit: 'us' },
  { key: 'crossings', label: 'crossings per execution', unit: 'count' },
]

export const busy: Question = {
  name: 'busy',
  question: 'How long do warm queries take while the primary commits 100 times a second?',
  limit: 'Every new TXID empties the page cache of SQLite, and a poll downloads the changed pages.',
  needs: { s3: true },
  async run(bench) {
    const data = bench.dataset()
    const stage = await bench.stage()
    bench.progress('starting the primary')
    const writer = await startWriter(data.file, bench.directory, stage.directUrl('app.db'), RATE)
    const replica = new ReplicaReader(stage.url('app.db'), { cacheSize: data.size * 2 })
    const readers: Reader[] = [new LocalReader(writer.file), replica]
    if (hasOfficialVfs()) readers.push(stage.official('app.db'))
    const rows = []
    try {
      for (const reader of readers) await reader.open()
      for (const query of [LOOKUP, ...QUERIES.slice(0, 5)]) {
        bench.progress(query.name)
        const random = new Random(7)
        const keys = Array.from({ length: KEYS }, () => query.parameters(random, data))
        const parameters = Array.from({ length: EXECUTIONS }, (_, i) => keys[i % KEYS]!)
        const times: number[][] = readers.map(() => [])
        for (const reader of readers) await reader.run(query.sql, parameters)
        const before = replica.replica.stats().crossings
        const rounds = bench.rounds(15, 5)
        for (let round = 0; round < rounds; round++) {
          for (const [i, reader] of readers.entries()) {
            times[i]!.push(((await reader.run(query.sql, parameters)).ms * 1000) / EXECUTIONS)
          }
          // The rounds must overlap with some polls, not fall between two.
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        const [local, ours, official] = times
        rows.push({
          query: query.name,
          local: spread(local!),
          replica: spread(ours!),
          ratio: ratios(ours!, local!),
          official: official ? spread(official) : null,
          crossings: (replica.replica.stats().crossings - before) / (rounds * EXECUTIONS),
        })
      }
    } finally {
      for (const reader of readers) await reader.close()
      await writer.close()
    }
    return [{ id: 'queries', title: 'Warm queries under 100 writes a second, one execution', columns: COLUMNS, rows }]
  },
}
