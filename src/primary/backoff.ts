import type { LitestreamError } from '../errors.js'
import { retryDelay } from '../util/back-off.js'
import type { PrimaryEvents, PrimaryObserver } from './events.js'

type Operation = PrimaryEvents['error']['operation']

/** Longest interval between two attempts of the operation, in milliseconds. */
const MAX_MS = 60_000

/**
 * Counts consecutive failures of an operation, reports each failure, and returns the time until the
 * next attempt of the operation. Each failure doubles this time, up to one minute.
 */
export class Backoff {
  readonly #db: string
  readonly #operation: Operation
  readonly #firstMs: number
  readonly #observe: PrimaryObserver
  #failures = 0

  constructor(db: string, operation: Operation, firstMs: number, observe: PrimaryObserver) {
    this.#db = db
    this.#operation = operation
    this.#firstMs = firstMs
    this.#observe = observe
  }

  get failures(): number {
    return this.#failures
  }

  /**
   * Reports a failure. Returns the time until the next attempt of the operation, in milliseconds.
   */
  failed(error: LitestreamError): number {
    this.#failures++
    const retryMs = retryDelay(this.#failures + 1, this.#firstMs, MAX_MS)
    this.#observe('error', { db: this.#db, operation: this.#operation, error, failures: this.#failures, retryMs })
    return retryMs
  }

  /** Reports an error after which the operation is not repeated. */
  gaveUp(error: LitestreamError): void {
    this.#failures++
    const { failures } = this
    this.#observe('error', { db: this.#db, operation: this.#operation, error, failures, retryMs: undefined })
  }

  worked(): void {
    if (this.#failures === 0) return
    this.#failures = 0
    this.#observe('recover', { db: this.#db, operation: this.#operation })
  }
}
