import { ReplicaReader } from './support/driver-reader.js'
import { hasOfficialVfs } from './support/python-reader.js'
import { LOOKUP } from './support/queries.js'
import type { Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Reader } from './support/reader.js'
import type { Column, ResultTable } from './support/result.js'
import type { Stage } from './support/stage.js'
import { quantile } from './support/stats.js'

const LATENCY = 20
/** One GET in this many is delayed by this time. */
const [EVERY, HELD_BACK] = [50, 400]

const COLUMNS: readonly Column[] = [
  { key: 'subject', label: 'reader', unit: 'text' },
  { key: 'slow', label: 'slow GETs', unit: 'text' },
  { key: 'p50', label: 'p50', unit: 'ms' },
  { key: 'p99', label: 'p99', unit: 'ms' },
  { key: 'gets', label: 'GETs', unit: 'count' },
]

export const hedge: Question = {
  name: 'hedge',
  question: 'How long do reads take if the store sometimes responds slowly?',
  limit: `A slow response takes ${HELD_BACK} ms. The reader sends a second request only if the first response is late.`,
  needs: { s3: true },
  async run(bench) {
    const { stage, data } = await bench.published()
    await stage.proxy.latency(LATENCY)
    const random = new Random(19)
    // One after another, each on a distant page, so that nothing is prefetched.
    const keys = Array.from({ length: bench.size(250, 60) }, () => LOOKUP.parameters(random, data))
    const rows: ResultTable['rows'][number][] = []
    const replica = (hedge: boolean) => () => new ReplicaReader(stage.url('app.db'), { readAhead: 'none', hedge })
    const subjects: [string, () => Reader][] = [
      ['replica', replica(true)],
      ['replica without second requests', replica(false)],
      ...(hasOfficialVfs() ? [['official VFS', () => stage.official('app.db')] as [string, () => Reader]] : []),
    ]
    for (const [subject, reader] of subjects) {
      for (const slow of [false, true]) {
        bench.progress(`${subject}${slow ? ' with slow GETs' : ''}`)
        rows.push({ subject, slow: slow ? `one in ${EVERY}` : 'none', ...(await measure(stage, reader(), keys, slow)) })
      }
    }
    const title = `Cold look-ups at ${LATENCY} ms, ${HELD_BACK} ms for a slow GET`
    return [{ id: 'lookups', title, columns: COLUMNS, rows }]
  },
}

async function measure(stage: Stage, reader: Reader, keys: readonly number[][], slow: boolean) {
  await reader.open()
  await stage.proxy.slowGets(EVERY, slow ? HELD_BACK : 0)
  await stage.proxy.reset()
  const times: number[] = []
  for (const key of keys) times.push((await reader.run(LOOKUP.sql, [key])).ms)
  const { gets } = await stage.counted()
  await stage.proxy.slowGets(EVERY, 0)
  await reader.close()
  times.sort((a, b) => a - b)
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), gets }
}
