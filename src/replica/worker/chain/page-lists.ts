import { lowerBound } from '../../../util/sorted.js'
import { PageSet } from './page-set.js'

/**
 * Returns the union of lists of page numbers. The union is in ascending order. Each list of page
 * numbers must be ascending. `most` is the largest page number of all lists.
 */
export function mergePages(lists: readonly Uint32Array[], most: number): Uint32Array {
  const count = lists.reduce((sum, { length }) => sum + length, 0)
  if (!ascend(lists) && count > most / 32) {
    // For so many page numbers, a bitmap is faster than sorting.
    const pages = new PageSet()
    for (const list of lists) for (const pgno of list) pages.add(pgno)
    return pages.toArray(most)
  }
  const all = new Uint32Array(count)
  let at = 0
  for (const list of lists) {
    all.set(list, at)
    at += list.length
  }
  return ascend(lists) ? all : unique(all.sort())
}

/** Whether each list of page numbers begins above the last number of the previous list. */
function ascend(lists: readonly Uint32Array[]): boolean {
  let last = 0
  for (const list of lists) {
    if (list.length === 0) continue
    if (list[0] <= last) return false
    last = list[list.length - 1]
  }
  return true
}

function unique(sorted: Uint32Array): Uint32Array {
  let count = 0
  for (const pgno of sorted) if (count === 0 || pgno !== sorted[count - 1]) sorted[count++] = pgno
  return sorted.subarray(0, count)
}

/** Whether an ascending list contains a page number. */
export function includesPage(sorted: Uint32Array, pgno: number): boolean {
  return sorted[lowerBound(sorted, pgno)] === pgno
}
