import { TaskQueue } from './task-queue.js'

/**
 * Runs tasks and returns their results in order. At most `concurrency` tasks run in parallel. After
 * a task has failed, starts no further task. Throws the error only after all running tasks have
 * ended, so that no task continues in the background.
 */
export async function runAll<T>(concurrency: number, tasks: Iterable<() => Promise<T>>): Promise<T[]> {
  const queue = new TaskQueue(concurrency)
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
