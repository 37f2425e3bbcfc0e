/**
 * Waits until every promise has settled, and returns the results. If several promises failed,
 * throws the error of the failed promise that comes first in the list. (`Promise.all` does not wait
 * for the other promises after a failure.)
 */
export async function settleAll<const T extends readonly unknown[]>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work)
  return Promise.all(work)
}
