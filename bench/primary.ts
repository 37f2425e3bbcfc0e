import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { until } from '../test/support/until.js'
import { type CommandLine, commandLines, RunningPrimary, timeCommand } from './support/command-run.js'
import { makeDatabases } from './support/fleet.js'
import type { Bench, Question } from './support/question.js'
import type { Column, ResultTable } from './support/result.js'
import { ratios, spread } from './support/stats.js'

const PROCESS: readonly Column[] = [
  { key: 'work', label: 'work', unit: 'text' },
  { key: 'program', label: 'program', unit: 'text' },
  { key: 'start', label: 'time until all are replicated', unit: 'ms' },
  { key: 'startCpu', label: 'processor time until then', unit: 'ms' },
  { key: 'cpu', label: 'processor time per s after that', unit: 'ms' },
  { key: 'memory', label: 'memory', unit: 'bytes' },
  { key: 'descriptors', label: 'open files', unit: 'count' },
]

const COMMANDS: readonly Column[] = [
  { key: 'command', label: 'command', unit: 'text' },
  { key: 'ours', label: 'litestream-ts', unit: 'ms' },
  { key: 'peer', label: 'Litestream', unit: 'ms' },
  { key: 'ratio', label: 'litestream-ts / Litestream', unit: 'x' },
]

interface Work {
  readonly work: string
  readonly databases: number
  /** Transactions per second to one of them. */
  readonly rate: number
}

export const primary: Question = {
  name: 'primary',
  question: 'How much time and memory do a primary and short commands need, compared with the released Litestream?',
  limit: 'Every command needs the time and the memory of the start of Node.js, and of the code that the command loads.',
  budget: 180,
  async run(bench) {
    const works: Work[] = [
      { work: 'one idle database', databases: 1, rate: 0 },
      { work: '200 transactions per second', databases: 1, rate: 200 },
      { work: 'idle databases', databases: bench.quick ? 20 : 400, rate: 0 },
      // More than keep their files open, also with --quick.
      { work: 'idle databases', databases: bench.quick ? 60 : 1000, rate: 0 },
    ]
    const rows: ResultTable['rows'][number][] = []
    for (const work of works) {
      const measured: Measured[][] = commandLines().map(() => [])
      for (let round = bench.rounds(work.databases === 1 ? 3 : 1, 1); round > 0; round--) {
        for (const [i, program] of commandLines().entries()) {
          bench.progress(`${work.work}, ${program.name}`)
          measured[i]!.push(await run(bench, program, work))
        }
      }
      for (const [i, { name }] of commandLines().entries()) {
        const of = (key: keyof Measured) => spread(measured[i]!.map((one) => one[key]))
        const times = { start: of('start'), startCpu: of('startCpu'), cpu: of('cpu') }
        const label = work.databases > 1 ? `${work.databases} ${work.work}` : work.work
        rows.push({ work: label, program: name, ...times, memory: of('memory'), descriptors: of('descriptors') })
      }
    }
    const notes = [
      'The replicas are in a folder, and the intervals are the defaults. The memory is the resident memory of the process, including the pages of the executable.',
    ]
    const title = 'A process that replicates'
    return [{ id: 'process', title, columns: PROCESS, rows, notes }, await commands(bench)]
  },
}

interface Measured {
  readonly start: number
  readonly startCpu: number
  readonly cpu: number
  readonly memory: number
  readonly descriptors: number
}

async function run(bench: Bench, program: CommandLine, { databases, rate }: Work): Promise<Measured> {
  const directory = path.join(bench.directory, 'process')
  const data = path.join(directory, 'data')
  const replica = path.join(directory, 'replica')
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(data, { recursive: true })
  makeDatabases(data, databases)
  const config = path.join(directory, 'litestream.yml')
  // JSON is YAML.
  const { href } = pathToFileURL(replica)
  writeFileSync(config, JSON.stringify({ dbs: [{ dir: data, pattern: '*.db', replica: { url: href } }] }))
  const started = performance.now()
  const process = await RunningPrimary.start(program, ['-config', config])
  try {
    await until('every database has its first file', () => replicated(replica) === databases, 300_000)
    const start = performance.now() - started
    const startCpu = process.cpu
    // Files of idle databases are closed after ten seconds.
    await delay(databases > 1 ? bench.size(15_000, 500) : bench.size(3000, 500))
    const stop = rate > 0 ? write(path.join(data, '0.db'), rate) : () => {}
    await delay(bench.size(5000, 500))
    const cpu = process.cpu
    const seconds = bench.size(10, 1)
    await delay(seconds * 1000)
    const used = (process.cpu - cpu) / seconds
    const { memory, descriptors } = process
    stop()
    return { start, startCpu, cpu: used, memory, descriptors }
  } finally {
    await process.stop()
  }
}

/** Number of databases with a first file in their replica. */
function replicated(replica: string): number {
  const files = readdirSync(path.dirname(replica)).includes('replica') ? readdirSync(replica, { recursive: true }) : []
  return files.filter((file) => String(file).endsWith('ltx/0/0000000000000001-0000000000000001.ltx')).length
}

/** Writes small transactions from this thread until the returned function is called. */
function write(file: string, rate: number): () => void {
  const db = new Database(file)
  db.pragma('synchronous = normal')
  const insert = db.prepare('INSERT INTO t (content) VALUES (?)')
  const began = performance.now()
  let done = 0
  const timer = setInterval(() => {
    for (; done < ((performance.now() - began) / 1000) * rate; done++) insert.run('x'.repeat(100))
  }, 5)
  return () => {
    clearInterval(timer)
    db.close()
  }
}

async function commands(bench: Bench): Promise<ResultTable> {
  const [ours, peer] = commandLines()
  const directory = path.join(bench.directory, 'commands')
  mkdirSync(directory, { recursive: true })
  const file = path.join(directory, '0.db')
  makeDatabases(directory, 1)
  const { href } = pathToFileURL(path.join(directory, 'replica'))
  await timeCommand(ours, ['replicate', '-once', file, href])
  const output = path.join(directory, 'restored.db')
  const lines: readonly (readonly [string, readonly string[]])[] = [
    ['version', ['version']],
    ['ltx URL', ['ltx', href]],
    ['restore of a tiny database', ['restore', '-o', output, href]],
  ]
  const rows: ResultTable['rows'][number][] = []
  for (const [command, args] of lines) {
    const times: [number[], number[]] = [[], []]
    for (let round = bench.rounds(11, 2); round > 0; round--) {
      for (const [i, program] of [ours, peer].entries()) {
        times[i]!.push(await timeCommand(program, args))
        rmSync(output, { force: true })
      }
    }
    rows.push({ command, ours: spread(times[0]), peer: spread(times[1]), ratio: ratios(...times) })
  }
  return { id: 'commands', title: 'Short commands, from start to end', columns: COMMANDS, rows }
}
