import { copyFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openReplica, type ReplicaOptions, type ReplicateOptions, replicate } from '../src/index.js'
import { SIZES } from './support/dataset.js'
import { HeldProcess } from './support/held-process.js'
import { cpuOf } from './support/machine.js'
import { hasOfficialVfs } from './support/python-reader.js'
import type { Question } from './support/question.js'
import type { Column, ResultTable } from './support/result.js'

const COLUMNS: readonly Column[] = [
  { key: 'subject', label: 'idle process', unit: 'text' },
  { key: 'since', label: 'idle for, s', unit: 'count' },
  { key: 'seconds', label: 'window, s', unit: 'count' },
  { key: 'requests', label: 'requests an hour', unit: 'count' },
  { key: 'lists', label: 'LISTs among them', unit: 'count' },
  { key: 'cpu', label: 'processor', unit: '%' },
]

interface IdleProcess {
  readonly subject: string
  /** An exported function of this module, and its arguments. */
  readonly hold: string
  readonly args: readonly unknown[]
  /** Milliseconds before the first window. */
  readonly settle?: number
  readonly windows?: number
  /** Length of a window in milliseconds. */
  readonly seconds: number
}

const BUSY_TASKS = 'primary, every task each second'
const EVERY_SECOND: ReplicateOptions = {
  checkpointInterval: 1000,
  // By default one LIST per minute, which a window of half a minute would count as none or as two.
  replicaCheckInterval: 3600_000,
  compaction: {
    levels: [1, 2, 3].map((level) => ({ level, interval: 1000 })),
    snapshot: { interval: 1000, retention: 3600_000 },
    l0Retention: 3600_000,
    l0RetentionCheckInterval: 1000,
    retentionEnabled: true,
  },
}

export const idle: Question = {
  name: 'idle',
  question: 'How many requests and how much processor time do a primary and a reader of an idle database need?',
  limit:
    'A reader polls the store once per poll interval, and a primary of an idle database only reads the WAL header.',
  budget: 180,
  needs: { s3: true },
  async run(bench) {
    const { stage, data } = await bench.published(SIZES['10 MB'])
    const copy = path.join(bench.directory, 'primary.db')
    copyFileSync(data.file, copy)
    const rows: ResultTable['rows'][number][] = []
    // Consecutive windows: a reader that backs off sends fewer requests in the later ones.
    const watch = async (subject: string, cpu: () => number, settle: number, windows: number, length: number) => {
      const seconds = bench.size(length, 2)
      bench.progress(`${subject}, ${windows * seconds} s`)
      // Work that follows an opening does not count as idle.
      await delay(settle)
      for (let i = 0; i < windows; i++) {
        await stage.proxy.reset()
        const before = cpu()
        await delay(seconds * 1000)
        const { requests, lists } = await stage.counted()
        const hourly = (count: number) => Math.round((count * 3600) / seconds)
        rows.push({
          subject,
          since: i * seconds,
          seconds,
          requests: hourly(requests),
          lists: hourly(lists),
          cpu: (cpu() - before) / seconds / 10,
        })
      }
    }
    const processes: readonly IdleProcess[] = [
      { subject: 'replica', hold: 'holdReplica', args: [stage.url('app.db')], seconds: 60 },
      {
        ...{ subject: 'replica, idlePollInterval 10s', hold: 'holdReplica', windows: 3, seconds: 15 },
        args: [stage.url('app.db'), { idlePollInterval: '10s' }],
      },
      // With default settings, after its first compaction.
      {
        ...{ subject: 'primary', hold: 'holdPrimary', settle: bench.size(35_000, 2000), seconds: 15 },
        args: [stage.url('primary'), copy],
      },
      // The last commit is checkpointed and compacted to every level while it settles.
      {
        ...{ subject: BUSY_TASKS, hold: 'holdPrimary', settle: bench.size(20_000, 8000), seconds: 30 },
        args: [stage.url('primary-tasks'), copy, EVERY_SECOND],
      },
    ]
    for (const { subject, hold, args, settle = 2000, windows = 1, seconds } of processes) {
      const held = await HeldProcess.start(import.meta.url, hold, ...args)
      await watch(subject, () => held.cpu, settle, windows, seconds)
      await held.stop()
    }
    if (hasOfficialVfs()) {
      const official = stage.official('app.db')
      await official.open()
      await watch('official VFS', () => cpuOf(official.pid), 2000, 1, 15)
      await official.close()
    }
    const notes = [
      '`idle for` is the time without commits before the measurement starts, and `window` is the duration of the measurement. The column `processor` contains the processor time of the whole process, as a percentage of one core.',
      'A reader waits 0.9 to 1 poll intervals between two polls of one LIST each, and lists the compacted levels every 25 s. By default, 60 s after the last commit, a primary runs one checkpoint, and compaction merges the L0 file of that checkpoint into each level. After the compaction of the last L0 file, an idle primary sends only one LIST a minute, which checks that the replica still has its files. The primary of the row "every task each second" does not send this LIST.',
    ]
    const plots = [{ title: 'Requests an hour of an idle process', x: 'since', y: ['requests'], by: 'subject' }]
    return [{ id: 'idle', title: 'An idle process, one database', columns: COLUMNS, rows, notes, plots }]
  },
}

export async function holdReplica(url: string, options: ReplicaOptions = {}) {
  const replica = await openReplica(url, options)
  return () => replica.close()
}

export async function holdPrimary(url: string, file: string, options: ReplicateOptions = {}) {
  const replication = await replicate(file, url, options)
  await replication.sync({ wait: true })
  return () => replication.close()
}
