import { onAbort } from './abort.js'
import { startTimer } from './timers.js'

/** Resolves after `ms` milliseconds, or as soon as one of `signals` aborts. */
export function pause(ms: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve) => {
    if (signals.some((signal) => signal?.aborted)) {
      resolve()
      return
    }
    const end = () => {
      timer.stop()
      for (const forget of forgets) forget()
      resolve()
    }
    const timer = startTimer(ms, end)
    const forgets = signals.map((signal) => onAbort(signal, end))
  })
}
