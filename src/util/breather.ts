import { elapsedMs } from './elapsed.js'

/**
 * Maximum time in milliseconds for which one computation may block the event loop. SLICE_MS is
 * shorter than the duration of a slow response of a store.
 */
const SLICE_MS = 8

/**
 * Lets a long computation yield to the event loop. The computation awaits `rest()` between its
 * parts. `rest()` lets the event loop run every few milliseconds. The replica worker serves all
 * replicas of a process. Without the pauses, a computation for one replica would delay all other
 * replicas.
 */
export class Breather {
  #until = elapsedMs() + SLICE_MS

  async rest(): Promise<void> {
    if (elapsedMs() < this.#until) return
    await new Promise((resolve) => setImmediate(resolve))
    this.#until = elapsedMs() + SLICE_MS
  }
}
