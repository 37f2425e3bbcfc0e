import { toLitestreamError } from '../../errors.js'
import { startTimer, type Timer } from '../../util/timers.js'
import { Backoff } from '../backoff.js'
import type { PrimaryObserver } from '../events.js'

export interface ReplicaMonitorParts {
  readonly db: string
  /** Time between two checks, milliseconds. */
  readonly interval: number
  readonly observe: PrimaryObserver
  /** Compares the replica with what was uploaded. */
  readonly check: () => Promise<void>
}

/** Checks at intervals that the files that were uploaded are still in the replica. An error stays visible until a check succeeds. */
export class ReplicaMonitor {
  readonly #parts: ReplicaMonitorParts
  readonly #errors: Backoff
  #timer: Timer | undefined
  #stopped = false

  constructor(parts: ReplicaMonitorParts) {
    this.#parts = parts
    this.#errors = new Backoff(parts.db, 'replica', Math.min(1000, parts.interval), parts.observe)
  }

  start(): void {
    if (this.#timer === undefined && !this.#stopped) this.#wait(this.#parts.interval)
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
    let next = interval
    try {
      await check()
      this.#errors.worked()
    } catch (error) {
      // A store that is away is asked again sooner than the next check is due.
      if (!this.#stopped) next = Math.min(interval, this.#errors.failed(toLitestreamError(error)))
    }
    this.#wait(next)
  }
}
