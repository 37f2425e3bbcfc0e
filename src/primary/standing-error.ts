import type { LitestreamError } from '../errors.js'
import { GrowingInterval } from '../util/growing-interval.js'
import type { PrimaryEvents, PrimaryObserver } from './events.js'

/**
 * Reports an error at growing intervals until the cause of the error is gone. The work continues
 * despite the error.
 */
export class StandingError {
  readonly #db: string
  readonly #operation: PrimaryEvents['error']['operation']
  readonly #observe: PrimaryObserver
  readonly #reports = new GrowingInterval()
  #failures = 0

  constructor(db: string, operation: PrimaryEvents['error']['operation'], observe: PrimaryObserver) {
    this.#db = db
    this.#operation = operation
    this.#observe = observe
  }

  get stands(): boolean {
    return this.#failures > 0
  }

  /** `retryMs` is the time in milliseconds until the cause of the error is checked again. */
  raise(error: LitestreamError, retryMs: number): void {
    this.#failures++
    if (!this.#reports.due()) return
    this.#observe('error', { db: this.#db, operation: this.#operation, error, failures: this.#failures, retryMs })
  }

  over(): void {
    if (this.#failures === 0) return
    this.#failures = 0
    this.#reports.reset()
    this.#observe('recover', { db: this.#db, operation: this.#operation })
  }
}
