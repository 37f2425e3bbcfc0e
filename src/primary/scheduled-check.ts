import { existsSync } from 'node:fs'
import { checkIntegrity } from '../integrity/check-integrity.js'
import { startTimer, type Timer } from '../util/timers.js'
import type { PrimaryObserver } from './events.js'
import { databaseError } from './source/database-error.js'

/** A check reads all of the database, and keeps checkpoints from emptying the WAL meanwhile: at most once a day. Milliseconds. */
const LEAST_INTERVAL = 24 * 3600 * 1000

/**
 * SQLite's quick_check of the database, as scheduled by `validation.interval`: the warning that a restore of the replica would give
 * comes while the database still exists. In a worker thread; one at a time.
 */
export class ScheduledCheck {
  readonly #db: string
  readonly #observe: PrimaryObserver
  readonly #stop = new AbortController()
  #timer: Timer | undefined
  #running: Promise<void> = Promise.resolve()

  /** `interval`: of the validation, milliseconds. The first check comes after it. */
  constructor(db: string, interval: number, observe: PrimaryObserver) {
    this.#db = db
    this.#observe = observe
    this.#schedule(interval, Math.max(interval, LEAST_INTERVAL))
  }

  #schedule(wait: number, interval: number): void {
    this.#timer = startTimer(wait, () => {
      this.#running = this.#run().finally(() => {
        if (!this.#stop.signal.aborted) this.#schedule(interval, interval)
      })
      return this.#running
    }).unref()
  }

  async #run(): Promise<void> {
    if (!existsSync(this.#db)) return
    const started = performance.now()
    const db = this.#db
    try {
      const { outcome, messages } = await checkIntegrity(db, 'quick', { signal: this.#stop.signal, live: true })
      this.#observe('integrity', { db, outcome, messages, durationMs: performance.now() - started })
    } catch (cause) {
      if (this.#stop.signal.aborted) return
      const { message } = databaseError(cause, db, 'checking it')
      const event = { outcome: 'incomplete', messages: [message], durationMs: performance.now() - started } as const
      this.#observe('integrity', { db, ...event })
    }
  }

  /** Interrupts a check that runs, and resolves when it has ended. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#timer?.stop()
    await this.#running
  }
}
