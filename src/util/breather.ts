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
  #until = performance.now() + SLICE_MS

  async rest(): Promise<void> {
    if (performance.now() < this.#until) return
    await new Promise((resolve) => setImmediate(resolve))
    this.#until = performance.now() + SLICE_MS
  }
}
