/** The lag of the replica, sampled at intervals, for a chart of the last half hour. */
export class LagHistory {
  static readonly INTERVAL = 5000
  static readonly SAMPLES = 360
  readonly #samples: [at: number, lagMs: number][] = []

  add(at: number, lagMs: number): void {
    this.#samples.push([at, lagMs])
    if (this.#samples.length > LagHistory.SAMPLES) this.#samples.shift()
  }

  /** Milliseconds since the epoch and lag in milliseconds, oldest first. */
  get samples(): readonly (readonly [number, number])[] {
    return this.#samples
  }
}
