import { retryDelay } from '../../util/back-off.js'
import { startTimer, type Timer } from '../../util/timers.js'
import type { Part, PartFaults } from './part-faults.js'

/** A running part of the process. */
export interface Running {
  close(): Promise<void>
}

/** Starts a part. After its start, the part must call `onFailed` once if it stops working. */
export type StartPart = (onFailed: (error: unknown) => void) => Promise<Running>

/** First and longest wait in milliseconds before the start of a part is tried again. */
const RETRY_FIRST_MS = 1000
const RETRY_MOST_MS = 60_000

/**
 * Keeps one part of the process running. Starts the part, restarts it after a failure, and reports
 * failures and recoveries. Never throws.
 */
export class Supervised {
  readonly #part: Part
  readonly #faults: PartFaults
  readonly #start: StartPart
  #running: Running | undefined
  #starting: Promise<void> | undefined
  #retry: Timer | undefined
  #failures = 0
  #closed = false

  constructor(part: Part, faults: PartFaults, start: StartPart) {
    this.#part = part
    this.#faults = faults
    this.#start = start
  }

  /** Resolves when the part was started or could not be started. */
  async start(): Promise<void> {
    this.#starting = this.#attempt()
    await this.#starting
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#retry?.stop()
    await this.#starting
    await this.#stopRunning()
    this.#faults.forget(this.#part)
  }

  async #attempt(): Promise<void> {
    try {
      const running = await this.#start((error) => void this.#failed(error))
      this.#running = running
      this.#failures = 0
      this.#faults.works(this.#part)
    } catch (error) {
      await this.#failed(error)
    }
  }

  async #failed(error: unknown): Promise<void> {
    if (this.#closed || this.#retry) return
    const wait = retryDelay(++this.#failures, RETRY_FIRST_MS, RETRY_MOST_MS)
    this.#faults.failed(this.#part, error, wait)
    this.#retry = startTimer(wait, () => {
      this.#retry = undefined
      this.#starting = this.#attempt()
      return this.#starting
    })
    await this.#stopRunning()
  }

  async #stopRunning(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    try {
      await running?.close()
    } catch (error) {
      this.#faults.failed(this.#part, error)
    }
  }
}
