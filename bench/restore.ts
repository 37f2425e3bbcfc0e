import { closeSync, copyFileSync, fsyncSync, openSync } from 'node:fs'
import path from 'node:path'
import { restore as restoreReplica } from '../src/restore/restore.js'
import { openReplicaClient } from '../src/storage/open.js'
import type { Question } from './support/question.js'
import type { Column } from './support/result.js'
import { sampleSizes, workOnSample } from './support/sample-replica.js'
import { ratios, spread } from './support/stats.js'

const COLUMNS: readonly Column[] = [
  { key: 'size', label: 'database', unit: 'bytes' },
  { key: 'rate', label: 'restore', unit: 'MB/s' },
  { key: 'copy', label: 'cp of the database', unit: 'MB/s' },
  { key: 'durable', label: 'cp with fsync', unit: 'MB/s' },
  { key: 'ratio', label: 'restore / cp', unit: 'x' },
  { key: 'durableRatio', label: 'restore / cp with fsync', unit: 'x' },
  { key: 'memory', label: 'memory over the start', unit: 'bytes' },
]

export const restore: Question = {
  name: 'restore',
  question: 'How fast is a restore from file://, and how much memory does the restore need?',
  limit:
    'The disk and the processor cores, which decompress pages and compute checksums, limit the speed of a restore. A restore syncs the database to the disk, so the benchmark compares the restore with a plain copy with an fsync.',
  budget: 90,
  async run(bench) {
    const rows = []
    for (const megabytes of sampleSizes(bench)) {
      const [copies, durable]: number[][] = [[], []]
      const { size, rates, memory } = await workOnSample(
        bench,
        megabytes,
        { module: import.meta.url, name: 'restoreOnce' },
        (directory) => {
          const start = performance.now()
          const rate = () => (megabytes * 1048.576) / (performance.now() - start)
          const copy = path.join(directory, 'copy.db')
          copyFileSync(path.join(directory, 'out.db'), copy)
          copies!.push(rate())
          const file = openSync(copy, 'r+')
          fsyncSync(file)
          closeSync(file)
          durable!.push(rate())
        },
      )
      rows.push({
        size,
        rate: spread(rates),
        copy: spread(copies!),
        durable: spread(durable!),
        ratio: ratios(rates, copies!),
        durableRatio: ratios(rates, durable!),
        memory,
      })
    }
    const plots = [
      { title: 'Restore', x: 'size', y: ['rate', 'durable'] },
      { title: 'Memory of a restore', x: 'size', y: ['memory'] },
    ]
    const notes = [
      'The replica consists of a snapshot and ten files with 1,000 scattered pages each. The restore runs without the integrity check at its end.',
    ]
    return [{ id: 'restore', title: 'Restore from file://', columns: COLUMNS, rows, notes, plots }]
  },
}

/** Seconds. Runs in a separate process. */
export async function restoreOnce(url: string, directory: string): Promise<number> {
  const client = await openReplicaClient(url)
  const start = performance.now()
  await restoreReplica(client, { output: path.join(directory, 'out.db'), force: true, integrityCheck: 'none' })
  const seconds = (performance.now() - start) / 1000
  await client.close()
  return seconds
}
