import { rmSync } from 'node:fs'
import path from 'node:path'
import { loadedFiles } from '../test/support/loaded-files.js'
import { fileReplica } from './support/file-replica.js'
import { answerOf } from './support/fresh-process.js'
import { PACKAGE } from './support/published-package.js'
import type { Question } from './support/question.js'
import type { Column } from './support/result.js'
import type { Stage } from './support/stage.js'
import { spread } from './support/stats.js'

const COLUMNS: readonly Column[] = [
  { key: 'store', label: 'store', unit: 'text' },
  { key: 'import', label: 'import', unit: 'ms' },
  { key: 'open', label: 'openReplica', unit: 'ms' },
  { key: 'row', label: 'first row', unit: 'ms' },
  { key: 'all', label: 'together', unit: 'ms' },
  { key: 'roundTime', label: 'round trips, included', unit: 'ms' },
  { key: 'rest', label: 'without round trips', unit: 'ms' },
  { key: 'thread', label: 'an empty thread', unit: 'ms' },
  { key: 'again', label: 'opened again', unit: 'ms' },
  { key: 'cpu', label: 'processor time', unit: 'ms' },
  { key: 'main', label: 'files loaded', unit: 'count' },
  { key: 'worker', label: 'files loaded, worker', unit: 'count' },
]

/** What the process measures, milliseconds. */
interface Measured {
  readonly import: number
  readonly open: number
  readonly row: number
  readonly all: number
  /** Of all threads. */
  readonly cpu: number
  /** A second opening in the same process. */
  readonly again: number
}

interface Times extends Measured {
  /** The time of the round trips to the store, and the rest of `all` without them. */
  readonly roundTime: number
  readonly rest: number
}

export const start: Question = {
  name: 'start',
  question: 'How long does a fresh process take to import the package and to read the first row of a replica?',
  limit:
    'A fresh process starts a thread, loads JavaScript (for S3, the AWS SDK in the worker), and runs code for the first time.',
  needs: { s3: true },
  async run(bench) {
    const { stage, data } = await bench.published()
    const url = await fileReplica(bench.directory, data.file)
    const stores = [
      { store: 'file', url, direct: url },
      { store: 's3', url: stage.url('app.db'), direct: stage.directUrl('app.db') },
    ]
    const times = stores.map((): Times[] => [])
    const threads: number[] = []
    for (let round = bench.rounds(11, 3); round > 0; round--) {
      threads.push((await answerOf<{ thread: number }>('thread-start-child.js', [])).thread)
      for (const [i, { url, direct }] of stores.entries()) times[i]!.push(await firstOpen(stage, url, direct))
    }
    const rows = []
    for (const [i, { store, url, direct }] of stores.entries()) {
      const of = (key: keyof Times) => spread(times[i]!.map((one) => one[key]))
      const ms = { import: of('import'), open: of('open'), row: of('row'), all: of('all') }
      const less = { roundTime: url === direct ? null : of('roundTime'), rest: of('rest') }
      const beside = { thread: spread(threads), again: of('again'), cpu: of('cpu') }
      const coverage = path.join(bench.directory, `loaded-${store}`)
      await answerOf('first-open-child.js', [PACKAGE, direct, direct], { NODE_V8_COVERAGE: coverage })
      const { main, worker } = loadedFiles(coverage)
      rmSync(coverage, { recursive: true })
      rows.push({ store, ...ms, ...less, ...beside, main: main.length, worker: worker.length })
    }
    return [{ id: 'start', title: 'A fresh process, no latency added', columns: COLUMNS, rows }]
  },
}

/**
 * `direct` is the URL without the proxy, for the second opening, whose round trips are not
 * measured.
 */
async function firstOpen(stage: Stage, url: string, direct: string): Promise<Times> {
  const args = [PACKAGE, url, direct]
  const { result, traffic } = await stage.traffic(() => answerOf<Measured>('first-open-child.js', args))
  return { ...result, roundTime: traffic.roundTime, rest: result.all - traffic.roundTime }
}
