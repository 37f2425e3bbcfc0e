import { existsSync } from 'node:fs'
import { checkIntegrity } from '../integrity/check-integrity.js'
import { elapsedMs } from '../util/elapsed.js'
import { startTimer, type Timer } from '../util/timers.js'
import type { PrimaryObserver } from './events.js'
import { databaseError } from './source/database-error.js'

/**
 * Minimum interval between two checks, in milliseconds. A check reads the whole database, and
 * checkpoints cannot empty the WAL during a check.
 */
const LEAST_INTERVAL = 24 * 3600 * 1000

/**
 * Runs SQLite's quick_check of the database at the interval `validation.interval`. A restored copy
 * of a damaged database has the same damage. The scheduled check finds the damage of a database
 * before a restore is needed. Checks run in a worker thread, one check at a time.
 */
export class ScheduledCheck {
  readonly #db: string
  readonly #observe: PrimaryObserver
  readonly #stop = new AbortController()
  #timer: Timer | undefined
  #running: Promise<void> = Promise.resolve()

  /**
   * `interval` is the validation interval in milliseconds. The first check runs after one interval.
   */
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
    const started = elapsedMs()
    const db = this.#db
    try {
      const { outcome, messages } = await checkIntegrity(db, 'quick', { signal: this.#stop.signal, live: true })
      this.#observe('integrity', { db, outcome, messages, durationMs: elapsedMs() - started })
    } catch (cause) {
      if (this.#stop.signal.aborted) return
      const { message } = databaseError(cause, db, 'checking the database')
      const event = { outcome: 'incomplete', messages: [message], durationMs: elapsedMs() - started } as const
      this.#observe('integrity', { db, ...event })
    }
  }

  /** Interrupts the running check, if any, and resolves when the check has ended. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#timer?.stop()
    await this.#running
  }
}
