/** How long one piece of work may keep the event loop, milliseconds: less than a slow answer from a store takes. */
const SLICE_MS = 8

/**
 * Lets long work give way: between its parts it awaits `rest()`, which lets the event loop run once every few milliseconds. The
 * worker serves all replicas of a process, and none may wait while it computes for another.
 */
export class Breather {
  #until = performance.now() + SLICE_MS

  async rest(): Promise<void> {
    if (performance.now() < this.#until) return
    await new Promise((resolve) => setImmediate(resolve))
    this.#until = performance.now() + SLICE_MS
  }
}
