/**
 * Returns the first index, starting at `from`, whose number is at least `value` in the ascending
 * list `sorted`.
 */
export function lowerBound(sorted: ArrayLike<number>, value: number, from = 0): number {
  let low = from
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}
