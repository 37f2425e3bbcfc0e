import { elapsedMs } from './elapsed.js'
import { withoutSecrets } from './redact.js'

/**
 * Longest delay of Node.js timers in milliseconds. Node.js would fire a timer with a longer delay
 * after 1 ms.
 */
export const MAX_DELAY_MS = 2 ** 31 - 1

/**
 * Receives an error that the work of a timer or an event handler has thrown, or with which the
 * promise of the work has rejected. An ErrorHandler must not throw.
 */
export type ErrorHandler = (error: unknown) => void

/**
 * Emits a process warning (`process.on('warning')`, stderr by default) for an error that has no
 * other handler.
 */
export function warnUnexpected(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.emitWarning(`unexpected error: ${withoutSecrets(text)}`, { type: 'LitestreamWarning' })
}

/**
 * Wraps `handler` so that it never throws and its promise never rejects. Errors go to `onError`.
 * Use guarded() for every handler of events from other parts of the process (sockets, servers,
 * watchers, children). Node.js would end the process for an error that an unguarded event handler
 * throws.
 */
export function guarded<A extends unknown[]>(
  handler: (...args: A) => unknown,
  onError: ErrorHandler = warnUnexpected,
): (...args: A) => void {
  return (...args) => void run(() => handler(...args), onError)
}

async function run(work: () => unknown, onError: ErrorHandler): Promise<void> {
  try {
    await work()
  } catch (error) {
    try {
      onError(error)
    } catch (second) {
      warnUnexpected(second)
    }
  }
}

/**
 * A timer whose delay may exceed the limit of Node.js. An error of the timer's work cannot end the
 * process.
 */
export class Timer {
  #timeout: NodeJS.Timeout | undefined
  #stopped = false
  #referenced = true

  /** Only startTimer and startInterval should call the constructor of Timer. */
  constructor(ms: number, work: () => void) {
    this.#wait(elapsedMs() + Math.max(0, Number.isNaN(ms) ? 0 : ms), work)
  }

  /**
   * Prevents the work from starting, if it has not started yet. Work that is already running
   * continues.
   */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timeout)
  }

  /** After unref(), the timer does not keep the process alive. */
  unref(): this {
    this.#referenced = false
    this.#timeout?.unref()
    return this
  }

  /** @internal Starts the timer again, for startInterval. */
  restart(ms: number, work: () => void): void {
    if (!this.#stopped) this.#wait(elapsedMs() + ms, work)
  }

  #wait(due: number, work: () => void): void {
    const left = Math.max(0, due - elapsedMs())
    this.#timeout = setTimeout(
      () => (left > MAX_DELAY_MS ? this.#wait(due, work) : work()),
      Math.min(MAX_DELAY_MS, left),
    )
    if (!this.#referenced) this.#timeout.unref()
  }
}

/** Runs `work` once after `ms` milliseconds. `ms` may be any number, even above MAX_DELAY_MS. */
export function startTimer(ms: number, work: () => unknown, onError?: ErrorHandler): Timer {
  return new Timer(ms, guarded(work, onError))
}

/**
 * Runs `work` every `ms` milliseconds. Each run starts `ms` milliseconds after the end of the
 * previous run, even if the previous run failed.
 */
export function startInterval(ms: number, work: () => unknown, onError: ErrorHandler = warnUnexpected): Timer {
  const tick = () => void run(work, onError).then(() => timer.restart(ms, tick))
  const timer = new Timer(ms, tick)
  return timer
}

/**
 * Returns a signal that aborts with a TimeoutError after `ms` milliseconds. The signal does not
 * keep the process alive.
 */
export function timeoutSignal(ms: number): AbortSignal {
  return AbortSignal.timeout(Math.min(MAX_DELAY_MS, Math.max(0, Math.ceil(ms))))
}
