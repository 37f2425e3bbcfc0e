import { withoutSecrets } from './redact.js'

/** The longest delay of Node's own timers, milliseconds: they fire a longer one after 1 ms. */
export const MAX_DELAY_MS = 2 ** 31 - 1

/** Takes what a timer's or an event handler's work threw or rejected with. Must not throw. */
export type ErrorHandler = (error: unknown) => void

/** A warning of the process (`process.on('warning')`, stderr by default) for an error that no other handler takes. */
export function warnUnexpected(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.emitWarning(`unexpected error: ${withoutSecrets(text)}`, { type: 'LitestreamWarning' })
}

/**
 * `handler` as a function that never throws and whose promise never rejects: an error goes to `onError`. Every handler of an event
 * that another part of the process emits (a socket, a server, a watcher, a child) goes through here, because Node ends the process
 * for an error that such a handler throws.
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

/** A timer that may be longer than Node's own and whose work cannot end the process. */
export class Timer {
  #timeout: NodeJS.Timeout | undefined
  #stopped = false
  #referenced = true

  /** Use startTimer or startInterval. */
  constructor(ms: number, work: () => void) {
    this.#wait(performance.now() + Math.max(0, Number.isNaN(ms) ? 0 : ms), work)
  }

  /** The work does not start any more; work that runs goes on. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timeout)
  }

  /** From now on the timer alone does not keep the process alive. */
  unref(): this {
    this.#referenced = false
    this.#timeout?.unref()
    return this
  }

  /** @internal for startInterval: the same timer, started again. */
  restart(ms: number, work: () => void): void {
    if (!this.#stopped) this.#wait(performance.now() + ms, work)
  }

  #wait(due: number, work: () => void): void {
    const left = Math.max(0, due - performance.now())
    this.#timeout = setTimeout(
      () => (left > MAX_DELAY_MS ? this.#wait(due, work) : work()),
      Math.min(MAX_DELAY_MS, left),
    )
    if (!this.#referenced) this.#timeout.unref()
  }
}

/** Runs `work` once, `ms` milliseconds from now, however long that is. */
export function startTimer(ms: number, work: () => unknown, onError?: ErrorHandler): Timer {
  return new Timer(ms, guarded(work, onError))
}

/** Runs `work` every `ms` milliseconds; the next run is `ms` after the end of the one before it, also if that failed. */
export function startInterval(ms: number, work: () => unknown, onError: ErrorHandler = warnUnexpected): Timer {
  const tick = () => void run(work, onError).then(() => timer.restart(ms, tick))
  const timer = new Timer(ms, tick)
  return timer
}

/** A signal that aborts with a TimeoutError after `ms` milliseconds; it does not keep the process alive. */
export function timeoutSignal(ms: number): AbortSignal {
  return AbortSignal.timeout(Math.min(MAX_DELAY_MS, Math.max(0, Math.ceil(ms))))
}
