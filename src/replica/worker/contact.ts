import type { ErrorCode } from '../../errors.js'
import { native } from '../../native/addon.js'
import { monotonicMs } from '../../util/monotonic.js'
import { startTimer, type Timer } from '../../util/timers.js'

/**
 * Tracks when the last successful poll began, passes it to native code, and makes the replica stale
 * once that is longer ago than `maxStale`. Uses only the monotonic clock: setting the wall clock
 * neither makes a replica stale nor hides that it is. Worker thread.
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
   * `maxStale`: milliseconds, or Infinity. `onStale` is called each time the replica becomes stale.
   */
  constructor(replica: number, maxStale: number, onStale: (message: string) => void, now = monotonicMs) {
    this.#replica = replica
    this.#maxStale = maxStale
    this.#onStale = onStale
    this.#now = now
    this.#seenAt = now()
  }

  /** When the last successful poll began, `monotonicMs`. */
  get seenAt(): number {
    return this.#seenAt
  }

  /** A poll that began `at` (`monotonicMs`) has seen every file in the replica. */
  seen(at: number): void {
    this.#seenAt = at
    this.#stale = false
    native.setLive(this.#replica, at)
    this.#await()
  }

  /**
   * Takes over the last successful poll of an earlier worker, which began `at`; its age counts
   * until this worker has opened the replica.
   */
  resume(at: number): void {
    this.#seenAt = at
    this.#await()
  }

  /** A poll failed. `state`: the state of the replica unless it is stale. */
  missed(code: ErrorCode, message: string, state = native.constants.state.live): void {
    // A stale replica keeps its own reason.
    if (!this.#stale) native.setState(this.#replica, state, code, message)
    this.#check()
  }

  stop(): void {
    this.#timer?.stop()
  }

  /** The timer makes the replica stale even if a poll never ends. */
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
      this.#await() // a timer may fire a moment early
      return
    }
    this.#stale = true
    const message = `the last successful poll began ${age} ms ago; max_stale is ${this.#maxStale} ms`
    native.setState(this.#replica, native.constants.state.stale, 'REPLICA_STALE', message)
    this.#onStale(message)
  }
}
