import { LATENCIES } from './cold.js'
import { ReplicaReader } from './support/driver-reader.js'
import { LivePrimary } from './support/live-primary.js'
import { hasOfficialVfs } from './support/python-reader.js'
import type { Bench, Question } from './support/question.js'
import type { Reader } from './support/reader.js'
import type { Column, Plot, ResultTable } from './support/result.js'
import type { Stage, Traffic } from './support/stage.js'
import { spread } from './support/stats.js'

const COLUMNS: readonly Column[] = [
  { key: 'files', label: 'files', unit: 'count' },
  { key: 'latency', label: 'latency', unit: 'ms' },
  { key: 'ours', label: 'replica', unit: 'ms' },
  { key: 'second', label: 'second connection', unit: 'ms' },
  { key: 'official', label: 'official VFS', unit: 'ms' },
  { key: 'requests', label: 'requests', unit: 'count' },
  { key: 'secondRequests', label: 'requests, second', unit: 'count' },
  { key: 'officialRequests', label: 'requests, official', unit: 'count' },
  { key: 'rounds', label: 'round trips', unit: 'count' },
  { key: 'officialRounds', label: 'round trips, official', unit: 'count' },
  { key: 'bytes', label: 'bytes', unit: 'bytes' },
  { key: 'officialBytes', label: 'bytes, official', unit: 'bytes' },
]

export const open: Question = {
  name: 'open',
  question: 'How long until a replica gives its first row, and how does that grow with files and latency?',
  limit: 'Latency times round trips: list the files, read their indexes, read the first page.',
  needs: { s3: true },
  async run(bench) {
    const data = bench.dataset()
    const stage = await bench.stage()
    const primary = await LivePrimary.start(data.file, bench.directory, stage.directUrl('app.db'), {
      // The files shall stay as many as were written.
      compaction: false,
    })
    const rows: ResultTable['rows'][number][] = []
    try {
      await primary.replication.sync({ wait: true })
      let files = 1
      for (const wanted of bench.quick ? [1, 10] : [1, 10, 100]) {
        bench.progress(`writing up to ${wanted} files`)
        await primary.writeFiles(wanted - files)
        files = wanted
        rows.push(...(await measure(bench, stage, files)))
      }
    } finally {
      await primary.close()
    }
    const plots: Plot[] = [
      { title: 'Open to first row, 10 files', x: 'latency', y: ['ours', 'official'], where: { files: 10 }, log: true },
      { title: 'Open to first row at 20 ms', x: 'files', y: ['ours', 'official'], where: { latency: 20 }, log: true },
    ]
    const notes = [
      'The second connection is another one of the same process, while the first is open.',
      'Round trips: the longest chain of requests each of which began after the answer to another one had come.',
    ]
    return [{ id: 'first-row', title: 'Open to first row', columns: COLUMNS, rows, notes, plots }]
  },
}

async function measure(bench: Bench, stage: Stage, files: number) {
  const rows: ResultTable['rows'][number][] = []
  for (const latency of bench.quick ? [0, 20] : LATENCIES) {
    bench.progress(`${files} files at ${latency} ms`)
    await stage.proxy.latency(latency)
    const [ours, second, theirs]: Opened[][] = [[], [], []]
    for (let round = bench.rounds(5, 2); round > 0; round--) {
      const first = new ReplicaReader(stage.url('app.db'))
      const again = new ReplicaReader(stage.url('app.db'))
      ours!.push(await opened(stage, first))
      second!.push(await opened(stage, again))
      await again.close()
      await first.close()
      if (!hasOfficialVfs()) continue
      const official = stage.official('app.db')
      theirs!.push(await opened(stage, official))
      await official.close()
    }
    const of = (all: readonly Opened[], pick: (one: Opened) => number) =>
      all.length === 0 ? null : spread(all.map(pick))
    rows.push({
      files,
      latency,
      ours: of(ours!, ({ ms }) => ms),
      second: of(second!, ({ ms }) => ms),
      official: of(theirs!, ({ ms }) => ms),
      requests: of(ours!, ({ traffic }) => traffic.requests),
      secondRequests: of(second!, ({ traffic }) => traffic.requests),
      officialRequests: of(theirs!, ({ traffic }) => traffic.requests),
      rounds: of(ours!, ({ traffic }) => traffic.rounds),
      officialRounds: of(theirs!, ({ traffic }) => traffic.rounds),
      bytes: of(ours!, ({ traffic }) => traffic.bytes),
      officialBytes: of(theirs!, ({ traffic }) => traffic.bytes),
    })
  }
  await stage.proxy.latency(0)
  return rows
}

interface Opened {
  readonly ms: number
  readonly traffic: Traffic
}

async function opened(stage: Stage, reader: Reader): Promise<Opened> {
  const { result, traffic } = await stage.traffic(() => reader.open())
  return { ms: result, traffic }
}
