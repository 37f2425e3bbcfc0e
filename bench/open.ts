import path from 'node:path'
import { LATENCIES } from './cold.js'
import { ReplicaReader } from './support/driver-reader.js'
import { LivePrimary } from './support/live-primary.js'
import { hasOfficialVfs } from './support/python-reader.js'
import type { Bench, Question } from './support/question.js'
import type { Reader } from './support/reader.js'
import type { Column, Plot, ResultTable } from './support/result.js'
import type { Stage, Traffic } from './support/stage.js'
import { spreadOf } from './support/stats.js'

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

const RESTART_LATENCY = 20

const RESTART_COLUMNS: readonly Column[] = [
  { key: 'files', label: 'files', unit: 'count' },
  { key: 'ms', label: 'replica', unit: 'ms' },
  { key: 'rounds', label: 'round trips', unit: 'count' },
  { key: 'requests', label: 'requests', unit: 'count' },
  { key: 'bytes', label: 'bytes', unit: 'bytes' },
]

export const open: Question = {
  name: 'open',
  question:
    'How long does a reader take to open a replica and read the first row, and how does this time grow with the number of files and the latency?',
  limit:
    'Opening a replica takes the latency multiplied by the number of round trips. The round trips list the files, read the page indexes, and read the first page.',
  budget: 80,
  needs: { s3: true },
  async run(bench) {
    const data = bench.dataset()
    const stage = await bench.stage()
    const primary = await LivePrimary.start(data.file, bench.directory, stage.directUrl('app.db'), {
      // No compaction: the number of files must stay as written.
      compaction: false,
    })
    const [rows, restarts]: ResultTable['rows'][number][][] = [[], []]
    try {
      await primary.replication.sync({ wait: true })
      let files = 1
      for (const wanted of bench.quick ? [1, 10] : [1, 10, 100]) {
        bench.progress(`writing up to ${wanted} files`)
        await primary.writeFiles(wanted - files)
        files = wanted
        rows!.push(...(await measure(bench, stage, files)))
        restarts!.push(await measureRestart(bench, stage, files))
      }
    } finally {
      await primary.close()
    }
    const plots: Plot[] = [
      { title: 'Open to first row, 10 files', x: 'latency', y: ['ours', 'official'], where: { files: 10 }, log: true },
      { title: 'Open to first row at 20 ms', x: 'files', y: ['ours', 'official'], where: { latency: 20 }, log: true },
    ]
    const notes = [
      'The same process opens the second connection while the first connection is open.',
      'The number of round trips is the length of the longest chain of dependent requests. Two requests are dependent if the reader sent the second request after it received the first response.',
    ]
    return [
      { id: 'first-row', title: 'Open to first row', columns: COLUMNS, rows: rows!, notes, plots },
      {
        id: 'restart',
        title: `Open to first row at ${RESTART_LATENCY} ms with a disk cache that knows the replica`,
        columns: RESTART_COLUMNS,
        rows: restarts!,
      },
    ]
  },
}

async function measure(bench: Bench, stage: Stage, files: number) {
  const rows: ResultTable['rows'][number][] = []
  for (const latency of bench.quick ? [0, 20] : LATENCIES) {
    bench.progress(`${files} files at ${latency} ms`)
    await stage.proxy.latency(latency)
    const [ours, second, theirs]: Opened[][] = [[], [], []]
    for (let round = bench.rounds(3, 2); round > 0; round--) {
      const first = new ReplicaReader(stage.url('app.db'))
      const again = new ReplicaReader(stage.url('app.db'))
      ours!.push(await opened(stage, first))
      // Pages that the first opening prefetches in the background are not requested by the second,
      // and would be counted wrongly.
      await first.settled()
      second!.push(await opened(stage, again))
      await again.close()
      await first.close()
      if (!hasOfficialVfs()) continue
      const official = stage.official('app.db')
      theirs!.push(await opened(stage, official))
      await official.close()
    }
    rows.push({
      files,
      latency,
      ours: spreadOf(ours!, ({ ms }) => ms),
      second: spreadOf(second!, ({ ms }) => ms),
      official: spreadOf(theirs!, ({ ms }) => ms),
      requests: spreadOf(ours!, ({ traffic }) => traffic.requests),
      secondRequests: spreadOf(second!, ({ traffic }) => traffic.requests),
      officialRequests: spreadOf(theirs!, ({ traffic }) => traffic.requests),
      rounds: spreadOf(ours!, ({ traffic }) => traffic.rounds),
      officialRounds: spreadOf(theirs!, ({ traffic }) => traffic.rounds),
      bytes: spreadOf(ours!, ({ traffic }) => traffic.bytes),
      officialBytes: spreadOf(theirs!, ({ traffic }) => traffic.bytes),
    })
  }
  await stage.proxy.latency(0)
  return rows
}

async function measureRestart(bench: Bench, stage: Stage, files: number) {
  bench.progress(`${files} files with a disk cache`)
  await stage.proxy.latency(RESTART_LATENCY)
  const reader = () => new ReplicaReader(stage.url('app.db'), { diskCache: path.join(bench.directory, 'cache') })
  const again: Opened[] = []
  for (let round = bench.rounds(5, 2); round >= 0; round--) {
    const one = reader()
    again.push(await opened(stage, one))
    // Pages fetched in the background are also cached.
    await one.settled()
    await one.close()
  }
  await stage.proxy.latency(0)
  // The first one filled the cache.
  again.shift()
  return {
    files,
    ms: spreadOf(again, ({ ms }) => ms),
    rounds: spreadOf(again, ({ traffic }) => traffic.rounds),
    requests: spreadOf(again, ({ traffic }) => traffic.requests),
    bytes: spreadOf(again, ({ traffic }) => traffic.bytes),
  }
}

interface Opened {
  readonly ms: number
  readonly traffic: Traffic
}

async function opened(stage: Stage, reader: Reader): Promise<Opened> {
  const { result, traffic } = await stage.traffic(() => reader.open())
  return { ms: result, traffic }
}
