import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { until } from '../test/support/until.js'
import { type CommandLine, commandLines, RunningPrimary } from './support/command-run.js'
import { DaemonProcess } from './support/daemon-process.js'
import { Fleet } from './support/fleet.js'
import type { Bench, Question } from './support/question.js'
import type { Column, ResultTable } from './support/result.js'
import type { Stage } from './support/stage.js'

const COLUMNS: readonly Column[] = [
  { key: 'databases', label: 'databases', unit: 'count' },
  { key: 'store', label: 'store', unit: 'text' },
  { key: 'cpu', label: 'processor', unit: '%' },
  { key: 'requests', label: 'requests an hour', unit: 'count' },
  { key: 'memory', label: 'memory', unit: 'bytes' },
  { key: 'each', label: 'memory, each further', unit: 'bytes' },
]

const STARTS: readonly Column[] = [
  { key: 'databases', label: 'databases', unit: 'count' },
  { key: 'store', label: 'store', unit: 'text' },
  { key: 'program', label: 'program', unit: 'text' },
  { key: 'start', label: 'start', unit: 'text' },
  { key: 'time', label: 'time until all are replicated', unit: 's' },
  { key: 'cpu', label: 'processor time of a database', unit: 'ms' },
  { key: 'requests', label: 'requests of a database', unit: 'count' },
  { key: 'memory', label: 'memory', unit: 'bytes' },
  { key: 'descriptors', label: 'open files', unit: 'count' },
  { key: 'replicated', label: 'replicated in the end', unit: 'count' },
]

/** How long a program may take to replicate all databases, milliseconds. */
const PATIENCE = 600_000

export const databases: Question = {
  name: 'databases',
  question: 'How much processor time and memory do many idle databases in one process need?',
  limit: 'The primary reads every WAL header once a second.',
  needs: { s3: true },
  async run(bench) {
    const stage = await bench.stage()
    const rows: ResultTable['rows'][number][] = []
    for (const store of ['file', 's3']) {
      for (const count of bench.quick ? [1, 20] : store === 'file' ? [1, 100, 400] : [1, 400]) {
        rows.push(await measure(bench, stage, store, count, rows))
      }
    }
    const notes = [
      'The processor time is that of the whole process, as the use of one core, with the default intervals.',
    ]
    const plots = [
      { title: 'Processor share of idle databases, %', x: 'databases', y: ['cpu'], by: 'store' },
      { title: 'Memory of idle databases', x: 'databases', y: ['memory'], by: 'store' },
    ]
    return [
      { id: 'idle', title: 'Idle databases of one primary', columns: COLUMNS, rows, notes, plots },
      await starts(bench, stage),
    ]
  },
}

/** Starts of many databases: the first one, and one after one in a thousand was written to. */
async function starts(bench: Bench, stage: Stage): Promise<ResultTable> {
  const rows: ResultTable['rows'][number][] = []
  for (const store of ['file', 's3']) {
    for (const count of bench.quick ? [60] : [1000, 10_000]) {
      for (const program of commandLines()) {
        bench.progress(`start of ${count} databases to ${store}, ${program.name}`)
        const fleet = new Fleet(path.join(bench.directory, `fleet-${store}`), count, store === 's3' ? stage : undefined)
        const about = { databases: count, store, program: program.name }
        const first = await start(program, fleet, stage, async () => (await fleet.replicated()) === count)
        rows.push({ ...about, start: 'first', ...first })
        if (first.time === null) continue
        const written = Array.from({ length: Math.ceil(count / 1000) }, (_, i) => i * 1000)
        for (const number of written) fleet.commit(number)
        const before = await Promise.all(written.map((number) => fleet.files(number)))
        const again = await start(program, fleet, stage, async () => {
          const now = await Promise.all(written.map((number) => fleet.files(number)))
          return now.every((files, i) => files > before[i]!)
        })
        rows.push({ ...about, start: 'again', ...again })
      }
    }
  }
  const notes = [
    'In the rows `first`, the replicas are empty. In the rows `again`, one of a thousand databases has a commit that the ' +
      'previous process did not see, and the measured time ends when the replicas have these commits. The table has no time ' +
      'for a process that has not finished after ten minutes. The table shows the processor time, the memory and the open ' +
      'files at the end of the measured time.',
  ]
  return { id: 'start', title: 'Starts of many databases', columns: STARTS, rows, notes }
}

async function start(program: CommandLine, fleet: Fleet, stage: Stage, isDone: () => Promise<boolean>) {
  await stage.proxy.reset()
  const started = performance.now()
  const primary = await RunningPrimary.start(program, ['-config', fleet.config])
  try {
    let time: number | null = null
    while (primary.isRunning && performance.now() - started < PATIENCE) {
      const looked = performance.now()
      if (await isDone()) {
        time = (performance.now() - started) / 1000
        break
      }
      // Checking thousands of replicas must not slow down the measurement.
      await delay(200 + 10 * (performance.now() - looked))
    }
    const { requests } = await stage.counted()
    const used = primary.isRunning
      ? { cpu: primary.cpu / fleet.size, memory: primary.memory, descriptors: primary.descriptors }
      : { cpu: null, memory: null, descriptors: null }
    return { time, requests: requests / fleet.size, ...used, replicated: await fleet.replicated() }
  } finally {
    await primary.stop()
  }
}

async function measure(
  bench: Bench,
  stage: Stage,
  store: string,
  count: number,
  before: readonly ResultTable['rows'][number][],
): Promise<ResultTable['rows'][number]> {
  bench.progress(`${count} databases to ${store}`)
  const name = `${store}-${count}`
  const directory = path.join(bench.directory, name)
  const data = path.join(directory, 'data')
  mkdirSync(data, { recursive: true })
  for (let i = 0; i < count; i++) {
    const db = new Database(path.join(data, `${i}.db`))
    db.pragma('journal_mode = wal')
    db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, content TEXT)')
    db.prepare('INSERT INTO t (content) VALUES (?)').run('x'.repeat(2000))
    db.close()
  }
  const url = store === 'file' ? pathToFileURL(path.join(directory, 'replica')).href : stage.url(name)
  const config = path.join(directory, 'litestream.yml')
  // JSON is YAML.
  writeFileSync(config, JSON.stringify({ dbs: [{ dir: data, pattern: '*.db', replica: { url } }] }))
  const daemon = await DaemonProcess.start(config)
  try {
    await until('every database has its first file', () => daemon.replicated() >= count, 300_000)
    // Work that follows a start, such as the first compaction after 30 s, does not count as idle.
    await delay(bench.size(store === 'file' ? 5000 : 35_000, 1000))
    await stage.proxy.reset()
    const cpu = daemon.cpu
    const seconds = bench.size(10, 3)
    await delay(seconds * 1000)
    const { memory } = daemon
    const first = before.find((row) => row.store === store)
    return {
      databases: count,
      store,
      cpu: (daemon.cpu - cpu) / seconds / 10,
      requests: Math.round(((await stage.counted()).requests * 3600) / seconds),
      memory,
      each: first === undefined ? null : (memory - (first.memory as number)) / (count - 1),
    }
  } finally {
    await daemon.stop()
  }
}
