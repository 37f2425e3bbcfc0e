import { elapsedMs } from './elapsed.js'

/**
 * Maximum time in milliseconds for which one computation may occupy the event loop: less than a
 * slow response of a store.
 */
const SLICE_MS = 8

/**
 * Lets a long computation yield: between its parts it awaits `rest()`, which lets the event loop
 * run every few milliseconds. The worker serves all replicas of a process, and no replica should
 * wait for a computation of another.
 */
export class Breather {
  #until = elapsedMs() + SLICE_MS

  async rest(): Promise<void> {
    if (elapsedMs() < this.#until) return
    await new Promise((resolve) => setImmediate(resolve))
    this.#until = elapsedMs() + SLICE_MS
  }
}
