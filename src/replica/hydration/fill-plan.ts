import type { FileReader } from '../chain/file-index.js'
import type { FileTable } from '../chain/file-table.js'
import { type FetchRange, planFetch, type WantedPage } from '../pages/fetch-plan.js'
import { WholeFile } from './whole-file.js'

/** Bytes of one read; smaller than a scan's, so that a page someone waits for is never far behind. */
const RANGE = 4 * 1024 * 1024

/** What is read to fill in the pages that a copy lacks. */
export interface FillPlan {
  readonly ranges: readonly FetchRange[]
  /** Of each file, by ordinal, the pages to be written. A file that is read whole has others, too. */
  readonly wanted: ReadonlyMap<number, ReadonlySet<number>>
  /** Files of which most is wanted, read whole so that they can be verified. */
  readonly whole: ReadonlyMap<number, WholeFile>
}

export async function planFill(
  pages: readonly WantedPage[],
  client: FileReader,
  files: () => FileTable,
  signal: AbortSignal,
): Promise<FillPlan> {
  const bytes = new Map<number, number>()
  const wanted = new Map<number, Set<number>>()
  for (const { file, pgno, size } of pages) {
    bytes.set(file, (bytes.get(file) ?? 0) + size)
    const set = wanted.get(file)
    if (set) set.add(pgno)
    else wanted.set(file, new Set([pgno]))
  }
  const whole = new Map<number, WholeFile>()
  await Promise.all(
    [...bytes].map(async ([file, size]) => {
      const info = files().get(file)
      if (size >= info.size / 2) whole.set(file, await WholeFile.open(client, info, file, signal))
    }),
  )
  const partly = pages.filter(({ file }) => !whole.has(file))
  const all = [...partly, ...[...whole.values()].flatMap((file) => file.pages)]
  return { ranges: planFetch(all, undefined, RANGE), wanted, whole }
}
