import { copyFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openReplica, type ReplicaOptions, replicate } from '../src/index.js'
import { SIZES } from './support/dataset.js'
import { HeldProcess } from './support/held-process.js'
import { cpuOf } from './support/machine.js'
import { hasOfficialVfs } from './support/python-reader.js'
import type { Question } from './support/question.js'
import type { Column, ResultTable } from './support/result.js'

const COLUMNS: readonly Column[] = [
  { key: 'subject', label: 'idle process', unit: 'text' },
  { key: 'since', label: 'idle for, s', unit: 'count' },
  { key: 'requests', label: 'requests an hour', unit: 'count' },
  { key: 'lists', label: 'LISTs among them', unit: 'count' },
  { key: 'cpu', label: 'processor', unit: '%' },
]

export const idle: Question = {
  name: 'idle',
  question: 'What do a primary and a replica cost while nothing happens?',
  limit: 'A replica looks at the store every poll interval; a primary needs to look at nothing but the WAL.',
  budget: 180,
  needs: { s3: true },
  async run(bench) {
    const { stage, data } = await bench.published(SIZES['10 MB'])
    const copy = path.join(bench.directory, 'primary.db')
    copyFileSync(data.file, copy)
    // One after another: who backs off sends less in the later ones.
    const seconds = bench.size(15, 2)
    const rows: ResultTable['rows'][number][] = []
    const watch = async (subject: string, cpu: () => number, settle: number, windows: number) => {
      bench.progress(`${subject}, ${windows * seconds} s`)
      // What an opening still has to do is not idleness.
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
          requests: hourly(requests),
          lists: hourly(lists),
          cpu: (cpu() - before) / seconds / 10,
        })
      }
    }
    for (const [subject, hold, ...args] of [
      ['replica', 'holdReplica', stage.url('app.db')],
      ['replica, idlePollInterval 10s', 'holdReplica', stage.url('app.db'), { idlePollInterval: '10s' }],
      ['primary', 'holdPrimary', stage.url('primary'), copy],
    ] as const) {
      // A primary makes its first compaction after 30 s.
      const settle = subject === 'primary' ? bench.size(35_000, 2000) : 2000
      const held = await HeldProcess.start(import.meta.url, hold, ...args)
      await watch(subject, () => held.cpu, settle, 3)
      await held.stop()
    }
    if (hasOfficialVfs()) {
      const official = stage.official('app.db')
      await official.open()
      await watch('official VFS', () => cpuOf(official.pid), 2000, 1)
      await official.close()
    }
    const notes = [
      `Each row is ${seconds} seconds, idle for so long before them. Processor: share of one core, of the whole process.`,
    ]
    const plots = [{ title: 'Requests an hour of an idle process', x: 'since', y: ['requests'], by: 'subject' }]
    return [{ id: 'idle', title: 'An idle process, one database', columns: COLUMNS, rows, notes, plots }]
  },
}

export async function holdReplica(url: string, options: ReplicaOptions = {}) {
  const replica = await openReplica(url, options)
  return () => replica.close()
}

export async function holdPrimary(url: string, file: string) {
  const replication = await replicate(file, url)
  await replication.sync({ wait: true })
  return () => replication.close()
}
