import { startTimer } from './timers.js'

/** Resolves after `ms` milliseconds, or at once when `signal` is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve()
      return
    }
    const end = () => {
      timer.stop()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = startTimer(ms, end)
    signal?.addEventListener('abort', end, { once: true })
  })
}
