import { rmSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { openReplica } from '../src/index.js'
import { inFreshProcess } from './support/fresh-process.js'
import { memoryOf } from './support/machine.js'
import { publishSample } from './support/pages.js'
import type { Question } from './support/question.js'
import type { Column } from './support/result.js'

/**
 * Small pages make a database of many pages quickly; the index does not depend on the page size.
 */
const PAGE_SIZE = 512

const COLUMNS: readonly Column[] = [
  { key: 'pages', label: 'pages', unit: 'count' },
  { key: 'index', label: 'index', unit: 'bytes' },
  { key: 'each', label: 'index bytes a page', unit: 'count' },
  { key: 'memory', label: 'process, over an unopened one', unit: 'bytes' },
  { key: 'peak', label: 'at most while opening', unit: 'bytes' },
  { key: 'filling', label: 'at most while a local copy fills in', unit: 'bytes' },
]

export const memory: Question = {
  name: 'memory',
  question: 'How does the memory of an open replica grow with the number of pages of the database?',
  limit:
    'An open replica needs memory for its page index, which stores the file, offset and size of each page. If the page index of a snapshot is larger than 4 MiB, only the blocks that were read are in memory.',
  async run(bench) {
    const rows = []
    for (const pages of bench.quick ? [10_000] : [10_000, 100_000, 1_000_000]) {
      bench.progress(`${pages} pages`)
      const directory = path.join(bench.directory, String(pages))
      const url = pathToFileURL(directory).href
      await publishSample(url, PAGE_SIZE, pages)
      const { result, memoryBefore, memoryPeak } = await inFreshProcess<{ index: number; resident: number }>(
        import.meta.url,
        'openOnce',
        url,
      )
      const filling = await inFreshProcess(import.meta.url, 'fillOnce', url, `${directory}.db`)
      rows.push({
        pages,
        index: result.index,
        each: Math.round((result.index / pages) * 10) / 10,
        memory: result.resident - memoryBefore,
        peak: memoryPeak - memoryBefore,
        filling: filling.memoryPeak - filling.memoryBefore,
      })
      rmSync(directory, { recursive: true })
      rmSync(`${directory}.db`)
    }
    const notes = [
      'No connection reads during the measurement of memory, so the page cache is empty. A full page cache needs its configured size in addition.',
    ]
    const plots = [{ title: 'Memory of an open replica', x: 'pages', y: ['index', 'memory'] }]
    return [{ id: 'open', title: 'An open replica', columns: COLUMNS, rows, notes, plots }]
  },
}

/** Runs in a separate process. */
export async function openOnce(url: string): Promise<{ index: number; resident: number }> {
  const replica = await openReplica(url)
  const { indexBytes } = await replica.workerStats()
  const { resident } = memoryOf()
  await replica.close()
  return { index: indexBytes, resident }
}

/** Runs in a separate process. */
export async function fillOnce(url: string, copy: string): Promise<void> {
  const replica = await openReplica(url, { hydrate: copy })
  await replica.whenHydrated()
  await replica.close()
}
