import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { LocalReader, ReplicaReader, runOn } from './support/driver-reader.js'
import { fileReplica } from './support/file-replica.js'
import { LOOKUP, QUERIES } from './support/queries.js'
import type { Question } from './support/question.js'
import { Random } from './support/random.js'
import type { Column } from './support/result.js'

const STRACE = '/usr/bin/strace'
const EXECUTIONS = 2000

const COLUMNS: readonly Column[] = [
  { key: 'query', label: 'query', unit: 'text' },
  { key: 'mode', label: 'mode', unit: 'text' },
  { key: 'local', label: 'local file', unit: 'count' },
  { key: 'replica', label: 'replica', unit: 'count' },
]

export const syscalls: Question = {
  name: 'syscalls',
  question: 'How many system calls does a warm query make?',
  limit:
    'A read of resident pages needs no system call, whereas SQLite locks and reads a local file with system calls.',
  async run(bench) {
    if (!existsSync(STRACE)) throw new Error('strace is not installed (Debian: apt-get install strace)')
    const { file, users, posts } = bench.dataset(12_500)
    const url = await fileReplica(bench.directory, file)
    const rows = []
    for (const [i, query] of [LOOKUP, QUERIES[0]!, QUERIES[2]!].entries()) {
      for (const mode of ['autocommit', 'transaction']) {
        const count = (subject: string, where: string) => {
          const log = path.join(bench.directory, 'strace.log')
          const child = fileURLToPath(import.meta.url)
          const task = JSON.stringify({ subject, where, query: i, transaction: mode === 'transaction', users, posts })
          // Without -f, only the thread that runs the queries is watched.
          const { status, stderr } = spawnSync(STRACE, ['-o', log, process.execPath, child, task], { encoding: 'utf8' })
          if (status !== 0) throw new Error(`strace ended with ${status}: ${stderr}`)
          const lines = readFileSync(log, 'utf8').split('\n')
          const [begin, end] = ['BEGIN', 'END'].map((mark) => lines.findIndex((line) => line.includes(`"${mark}"`)))
          return Math.round(((end! - begin! - 1) * 100) / EXECUTIONS) / 100
        }
        rows.push({ query: query.name, mode, local: count('local', file), replica: count('replica', url) })
      }
    }
    const notes = [
      'The benchmark counts the system calls of the thread that runs the queries, including the system calls of the JavaScript engine (garbage collection). These system calls cause the fractions.',
    ]
    return [{ id: 'calls', title: 'System calls of one execution', columns: COLUMNS, rows, notes }]
  },
}

interface Task {
  readonly subject: string
  readonly where: string
  readonly query: number
  readonly transaction: boolean
  readonly users: number
  readonly posts: number
}

/** In the watched process: warms up, then runs the queries between two marks in the trace. */
async function runWatched({ subject, where, query, transaction, users, posts }: Task): Promise<void> {
  const reader = subject === 'local' ? new LocalReader(where) : new ReplicaReader(where, { pollInterval: '1h' })
  await reader.open()
  const { sql, parameters } = [LOOKUP, QUERIES[0]!, QUERIES[2]!][query]!
  const random = new Random(21)
  const keys = Array.from({ length: 50 }, () => parameters(random, { users, posts }))
  const all = Array.from({ length: EXECUTIONS }, (_, i) => keys[i % keys.length]!)
  for (let i = 0; i < 3; i++) runOn(reader.db, sql, all, { transaction })
  writeSync(2, 'BEGIN')
  runOn(reader.db, sql, all, { transaction })
  writeSync(2, 'END')
  await reader.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await runWatched(JSON.parse(process.argv[2]!))
