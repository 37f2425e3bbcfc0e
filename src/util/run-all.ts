import PQueue from 'p-queue'

/**
 * Runs tasks, at most `concurrency` at once, and returns their results in order. After the first failure no further task is
 * started; it is thrown once those under way have ended, so that none goes on behind the caller's back.
 */
export async function runAll<T>(concurrency: number, tasks: Iterable<() => Promise<T>>): Promise<T[]> {
  const queue = new PQueue({ concurrency })
  let failure: { readonly error: unknown } | undefined
  const results: T[] = []
  const runs = Array.from(tasks, (task, i) =>
    queue.add(async () => {
      if (failure) return
      try {
        results[i] = await task()
      } catch (error) {
        failure ??= { error }
      }
    }),
  )
  await Promise.all(runs)
  if (failure) throw failure.error
  return results
}
