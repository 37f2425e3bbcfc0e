import { toLitestreamError } from '../../errors.js'
import { startTimer, type Timer } from '../../util/timers.js'
import { Backoff } from '../backoff.js'
import type { PrimaryObserver } from '../events.js'

export interface ReplicaMonitorParts {
  readonly db: string
  /** Interval between two checks of the replica, in milliseconds. */
  readonly interval: () => number
  readonly observe: PrimaryObserver
  /** Checks whether the replica has the uploaded files. */
  readonly check: () => Promise<void>
}

/**
 * Checks at intervals whether the uploaded files are still in the replica. If a check fails, its
 * error is reported at growing intervals until a check succeeds.
 */
export class ReplicaMonitor {
  readonly #parts: ReplicaMonitorParts
  readonly #errors: Backoff
  #timer: Timer | undefined
  #stopped = false
  #checking = false

  constructor(parts: ReplicaMonitorParts) {
    this.#parts = parts
    this.#errors = new Backoff(parts.db, 'replica', Math.min(1000, parts.interval()), parts.observe)
  }

  start(): void {
    if (this.#timer === undefined && !this.#stopped) this.#wait(this.#parts.interval())
  }

  /** Must be called when the interval between two checks has changed. */
  reschedule(): void {
    if (this.#timer === undefined || this.#checking) return
    this.#timer.stop()
    this.#wait(this.#parts.interval())
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.stop()
  }

  #wait(ms: number): void {
    if (!this.#stopped) this.#timer = startTimer(ms, () => this.#run())
  }

  async #run(): Promise<void> {
    const { interval, check } = this.#parts
    let most = Number.POSITIVE_INFINITY
    this.#checking = true
    try {
      await check()
      this.#errors.worked()
    } catch (error) {
      // After a failed check, the next check runs sooner than after the regular interval.
      if (!this.#stopped) most = this.#errors.failed(toLitestreamError(error))
    }
    this.#checking = false
    this.#wait(Math.min(interval(), most))
  }
}
