import { native } from '../../native/addon.js'
import { STATE_LIVE, STATE_STALE } from '../../native/replica.js'

/** When the store was last seen, told to native code, and what follows once that is too long ago. Worker thread. */
export class StoreContact {
  readonly #replica: number
  readonly #maxStale: number
  readonly #onStale: (message: string) => void
  #seenAt = Date.now()
  #stale = false
  #timer: NodeJS.Timeout | undefined

  /** `maxStale`: milliseconds, or Infinity. `onStale` is called once each time that it is passed. */
  constructor(replica: number, maxStale: number, onStale: (message: string) => void) {
    this.#replica = replica
    this.#maxStale = maxStale
    this.#onStale = onStale
  }

  /** A poll that began `at` (ms since the epoch) has seen all there was. */
  seen(at: number): void {
    this.#seenAt = at
    this.#stale = false
    native.setContact(this.#replica, at)
    native.setState(this.#replica, STATE_LIVE, '', '')
    this.#await()
  }

  /** A poll has not. */
  missed(code: string, message: string): void {
    // A stale replica keeps its own reason.
    if (!this.#stale) native.setState(this.#replica, STATE_LIVE, code, message)
    this.#check()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  /** A poll that never ends must be told of, too. */
  #await(): void {
    clearTimeout(this.#timer)
    if (!Number.isFinite(this.#maxStale)) return
    const left = this.#seenAt + this.#maxStale - Date.now()
    this.#timer = setTimeout(() => this.#check(), Math.max(1, left + 1)).unref()
  }

  #check(): void {
    if (this.#stale) return
    const age = Date.now() - this.#seenAt
    if (age <= this.#maxStale) {
      this.#await() // a timer may fire a moment early
      return
    }
    this.#stale = true
    const message = `the store was last seen ${age} ms ago, max_stale is ${this.#maxStale} ms`
    native.setState(this.#replica, STATE_STALE, 'REPLICA_STALE', message)
    this.#onStale(message)
  }
}
