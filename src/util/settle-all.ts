/**
 * Waits until every promise has ended, and returns their results; throws the error of the first one
 * in the list that failed. (`Promise.all` would not wait for the others.)
 */
export async function settleAll<const T extends readonly unknown[]>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work)
  return Promise.all(work)
}
