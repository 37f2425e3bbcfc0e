import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { openReplica } from '../src/index.js'
import { HeldProcess } from './support/held-process.js'
import { memoryOf } from './support/machine.js'
import { hasOfficialVfs } from './support/python-reader.js'
import { QUERIES } from './support/queries.js'
import type { Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Column, ResultTable } from './support/result.js'

const COLUMNS: readonly Column[] = [
  { key: 'subject', label: 'reader', unit: 'text' },
  { key: 'connections', label: 'connections', unit: 'count' },
  { key: 'threads', label: 'threads', unit: 'count' },
  { key: 'openRequests', label: 'requests to open and read', unit: 'count' },
  { key: 'lists', label: 'LISTs a minute', unit: 'count' },
  { key: 'memory', label: 'memory', unit: 'bytes' },
  { key: 'each', label: 'memory, each further', unit: 'bytes' },
]

export const connections: Question = {
  name: 'connections',
  question: 'How many requests and how much memory do many connections and threads of one process need?',
  limit:
    'SQLite needs memory for each connection, whereas the process has only one page index, one page cache and one poll loop.',
  budget: 100,
  needs: { s3: true },
  async run(bench) {
    const { stage, data } = await bench.published()
    const random = new Random(5)
    const keys = Array.from({ length: 20 }, () => QUERIES[0]!.parameters(random, data))
    const seconds = bench.size(8, 3)
    const rows: ResultTable['rows'][number][] = []
    const watch = async (subject: string, connections: number, threads: number, open: () => Promise<Watched>) => {
      bench.progress(`${subject}: ${connections} on ${threads}`)
      await stage.proxy.reset()
      const held = await open()
      const { requests: openRequests } = await stage.counted()
      await stage.proxy.reset()
      await delay(seconds * 1000)
      const lists = Math.round(((await stage.counted()).lists * 60) / seconds)
      const memory = held.memory()
      await held.stop()
      const first = rows.find((row) => row.subject === subject)
      const each = first === undefined ? null : (memory - (first.memory as number)) / (connections - 1)
      rows.push({ subject, connections, threads, openRequests, lists, memory, each })
    }
    for (const [threads, count] of [
      [1, 1],
      [1, 8],
      [1, 32],
      [4, 32],
    ] as const) {
      await watch('replica', count, threads, async () => {
        const held = await HeldProcess.start(
          import.meta.url,
          'holdConnections',
          stage.url('app.db'),
          count,
          threads,
          keys,
        )
        return { memory: () => held.memory, stop: () => held.stop() }
      })
    }
    for (const count of hasOfficialVfs() ? [1, 8, 32] : []) {
      await watch('official VFS', count, 1, async () => {
        const official = stage.official('app.db')
        for (let i = 0; i < count; i++) {
          await official.openAnother()
          await official.run(QUERIES[0]!.sql, keys)
        }
        return { memory: () => memoryOf(official.pid).resident, stop: () => official.close() }
      })
    }
    const plots = [
      { title: 'Memory of connections', x: 'connections', y: ['memory'], by: 'subject', where: { threads: 1 } },
      { title: 'LISTs a minute of connections', x: 'connections', y: ['lists'], by: 'subject', where: { threads: 1 } },
    ]
    return [{ id: 'connections', title: 'Connections of one process', columns: COLUMNS, rows, plots }]
  },
}

interface Watched {
  memory(): number
  stop(): Promise<void>
}

export async function holdConnections(url: string, count: number, threads: number, keys: readonly number[][]) {
  const replica = await openReplica(url)
  const each = { uri: replica.uri, count: count / threads, keys }
  if (threads === 1) {
    const open = openConnections(each)
    return async () => {
      for (const db of open) db.close()
      await replica.close()
    }
  }
  const workers = Array.from({ length: threads }, () => {
    return new Worker(new URL('./support/connections-thread.js', import.meta.url), { workerData: each })
  })
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))))
  return async () => {
    await Promise.all(workers.map((worker) => worker.terminate()))
    await replica.close()
  }
}

/** Opens this many connections, and reads the same rows on each. */
export function openConnections({
  uri,
  count,
  keys,
}: {
  uri: string
  count: number
  keys: readonly number[][]
}): { close(): void }[] {
  return Array.from({ length: count }, () => {
    const db = new Database(uri, { readonly: true })
    const statement = db.prepare(QUERIES[0]!.sql)
    for (const key of keys) statement.all(...key)
    return db
  })
}
