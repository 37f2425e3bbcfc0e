import { PageSet } from '../pages/page-set.js'

/** Every page number of these lists once, ascending. The lists themselves ascend; `most` is the largest number in them. */
export function mergePages(lists: readonly Uint32Array[], most: number): Uint32Array {
  const count = lists.reduce((sum, { length }) => sum + length, 0)
  if (!ascend(lists) && count > most / 32) {
    // A bit a page is less to go through than that many numbers are to sort.
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

/** Whether each list begins after the end of the one before. */
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

/** Whether a list that ascends has a number. */
export function includesPage(sorted: Uint32Array, pgno: number): boolean {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle] < pgno) low = middle + 1
    else high = middle
  }
  return sorted[low] === pgno
}
