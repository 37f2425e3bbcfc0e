import type { ErrorCode } from '../../errors.js'
import { native } from '../../native/addon.js'
import { monotonicMs } from '../../util/monotonic.js'
import { startTimer, type Timer } from '../../util/timers.js'

/**
 * Stores when the last successful poll began, and passes that time to native code. The replica
 * becomes stale if its last successful poll began more than `maxStale` ago. StoreContact uses only
 * the monotonic clock, so a change of the system clock neither makes a replica stale nor hides that
 * the replica is stale. StoreContact runs on the worker thread.
 */
export class StoreContact {
  readonly #replica: number
  readonly #maxStale: number
  readonly #onStale: (message: string) => void
  readonly #now: () => number
  #seenAt: number
  #stale = false
  #timer: Timer | undefined

  /**
   * `maxStale` is a number of milliseconds, or Infinity. `onStale` is called each time the replica
   * becomes stale.
   */
  constructor(replica: number, maxStale: number, onStale: (message: string) => void, now = monotonicMs) {
    this.#replica = replica
    this.#maxStale = maxStale
    this.#onStale = onStale
    this.#now = now
    this.#seenAt = now()
  }

  /** The monotonic time at which the last successful poll began. */
  get seenAt(): number {
    return this.#seenAt
  }

  /**
   * Records that a poll has seen every file in the replica. The poll began at the monotonic time
   * `at`.
   */
  seen(at: number): void {
    this.#seenAt = at
    this.#stale = false
    native.setLive(this.#replica, at)
    this.#await()
  }

  /**
   * Takes over the time `at`. The last successful poll of an earlier worker began at this time.
   * Until this worker has opened the replica, `at` is the time of the last successful poll.
   */
  resume(at: number): void {
    this.#seenAt = at
    this.#await()
  }

  /**
   * Records that a poll failed. `state` is the new state of the replica. A stale replica stays
   * stale.
   */
  missed(code: ErrorCode, message: string, state = native.constants.state.live): void {
    // A stale replica keeps the reason why it became stale.
    if (!this.#stale) native.setState(this.#replica, state, code, message)
    this.#check()
  }

  stop(): void {
    this.#timer?.stop()
  }

  /** Starts a timer that makes the replica stale even if a poll never ends. */
  #await(): void {
    this.#timer?.stop()
    if (!Number.isFinite(this.#maxStale)) return
    const left = this.#seenAt + this.#maxStale - this.#now()
    this.#timer = startTimer(Math.max(1, left + 1), () => this.#check()).unref()
  }

  #check(): void {
    if (this.#stale) return
    const age = Math.round(this.#now() - this.#seenAt)
    if (age <= this.#maxStale) {
      this.#await() // the timer is set again, because it may fire a moment early
      return
    }
    this.#stale = true
    const message = `the last successful poll began ${age} ms ago, but max_stale is ${this.#maxStale} ms`
    native.setState(this.#replica, native.constants.state.stale, 'REPLICA_STALE', message)
    this.#onStale(message)
  }
}
