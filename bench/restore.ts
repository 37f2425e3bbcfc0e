import { copyFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { restore as restoreReplica } from '../src/restore/restore.js'
import { openReplicaClient } from '../src/storage/open.js'
import { inFreshProcess } from './support/fresh-process.js'
import { publishSample } from './support/pages.js'
import type { Question } from './support/question.js'
import type { Column } from './support/result.js'
import { ratios, spread } from './support/stats.js'

const PAGE_SIZE = 4096
const MIB = 1024 * 1024

const COLUMNS: readonly Column[] = [
  { key: 'size', label: 'database', unit: 'bytes' },
  { key: 'rate', label: 'restore', unit: 'MB/s' },
  { key: 'copy', label: 'cp of the database', unit: 'MB/s' },
  { key: 'ratio', label: 'restore / cp', unit: 'x' },
  { key: 'memory', label: 'memory over the start', unit: 'bytes' },
]

export const restore: Question = {
  name: 'restore',
  question: 'How fast is a database restored from file://, with how much memory?',
  limit: 'Decompression and checksums on the cores, and the disk: a plain copy of the database.',
  async run(bench) {
    const rows = []
    for (const megabytes of bench.quick ? [64] : [64, 512, 2048]) {
      bench.progress(`${megabytes} MiB`)
      const size = megabytes * MIB
      const directory = path.join(bench.directory, String(megabytes))
      const url = pathToFileURL(path.join(directory, 'replica')).href
      await publishSample(url, PAGE_SIZE, size / PAGE_SIZE)
      const [rates, copies, memory]: number[][] = [[], [], []]
      for (let round = bench.rounds(3, 1); round > 0; round--) {
        const output = path.join(directory, 'out.db')
        const {
          result: seconds,
          memoryBefore,
          memoryPeak,
        } = await inFreshProcess<number>(import.meta.url, 'restoreOnce', url, output)
        rates!.push(size / seconds / 1e6)
        memory!.push(memoryPeak - memoryBefore)
        const start = performance.now()
        copyFileSync(output, `${output}.copy`)
        copies!.push(size / ((performance.now() - start) / 1000) / 1e6)
      }
      rows.push({
        size,
        rate: spread(rates!),
        copy: spread(copies!),
        ratio: ratios(rates!, copies!),
        memory: spread(memory!),
      })
      rmSync(directory, { recursive: true })
    }
    const plots = [{ title: 'Memory of a restore', x: 'size', y: ['memory'] }]
    const notes = ['A snapshot and ten files of 1,000 scattered pages each; without the integrity check at the end.']
    return [{ id: 'restore', title: 'Restore from file://', columns: COLUMNS, rows, notes, plots }]
  },
}

/** Seconds. Runs in a process of its own. */
export async function restoreOnce(url: string, output: string): Promise<number> {
  const client = await openReplicaClient(url)
  const start = performance.now()
  await restoreReplica(client, { output, force: true, integrityCheck: 'none' })
  const seconds = (performance.now() - start) / 1000
  await client.close()
  return seconds
}
