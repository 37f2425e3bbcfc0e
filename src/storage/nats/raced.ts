import { setMaxListeners } from 'node:events'
import { abortError } from '../../util/abort.js'

/**
 * `promise`, or what ends the wait for it: ABORTED when `signal` fires, the reason of the first of `others` that does. The promise
 * itself goes on: NATS has no way to call a request back.
 */
export async function raced<T>(
  promise: Promise<T>,
  what: string,
  signal: AbortSignal | undefined,
  ...others: readonly AbortSignal[]
): Promise<T> {
  const listeners: (() => void)[] = []
  const ended = new Promise<never>((_, reject) => {
    for (const each of signal === undefined ? others : [signal, ...others]) {
      const end = () => reject(each === signal ? abortError(each, what) : each.reason)
      if (each.aborted) end()
      // Many requests at once hang on one signal; each takes its listener away.
      setMaxListeners(0, each)
      each.addEventListener('abort', end)
      listeners.push(() => each.removeEventListener('abort', end))
    }
  })
  try {
    return await Promise.race([promise, ended])
  } finally {
    for (const remove of listeners) remove()
  }
}
