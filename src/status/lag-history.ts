/** Consecutive samples of the same lag at equal intervals. */
interface Run {
  /** Time of the first sample in milliseconds since the epoch. */
  from: number
  to: number
  count: number
  readonly lagMs: number
}

/**
 * Samples of a replica's lag in the last half hour, for a chart. Consecutive equal samples take
 * only the memory of one sample. In a large process, most databases are idle and have equal
 * samples.
 */
export class LagHistory {
  static readonly INTERVAL = 5000
  static readonly SAMPLES = 360
  readonly #runs: Run[] = []
  #count = 0

  add(at: number, lagMs: number): void {
    const last = this.#runs.at(-1)
    if (last?.lagMs === lagMs) {
      last.to = at
      last.count++
    } else this.#runs.push({ from: at, to: at, count: 1, lagMs })
    if (++this.#count > LagHistory.SAMPLES) this.#forgetOldest()
  }

  #forgetOldest(): void {
    const [oldest] = this.#runs
    if (oldest!.count === 1) this.#runs.shift()
    else {
      oldest!.from += (oldest!.to - oldest!.from) / (oldest!.count - 1)
      oldest!.count--
    }
    this.#count--
  }

  /**
   * The samples as `[time, lag]`. The oldest sample comes first. Times are milliseconds since the
   * epoch, and lags are milliseconds.
   */
  get samples(): readonly (readonly [number, number])[] {
    return this.#runs.flatMap(({ from, to, count, lagMs }) =>
      Array.from({ length: count }, (_, i) => {
        const at = count === 1 ? to : Math.round(from + ((to - from) * i) / (count - 1))
        return [at, lagMs] as const
      }),
    )
  }
}
