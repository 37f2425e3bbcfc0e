/**
 * Waits until every promise has settled, and returns the results. If promises failed, throws the
 * error of the first failed promise in the list. (`Promise.all` would not wait for the other
 * promises.)
 */
export async function settleAll<const T extends readonly unknown[]>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work)
  return Promise.all(work)
}
