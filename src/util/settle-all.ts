/**
 * Waits until every promise has settled, and returns the results. Throws the error of the first
 * promise in the list that failed. (`Promise.all` would not wait for the other promises.)
 */
export async function settleAll<const T extends readonly unknown[]>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work)
  return Promise.all(work)
}
