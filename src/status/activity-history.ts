/**
 * One sample of a database's activity, in the order `[time, lag, uploads, bytes, upload time]`, as
 * ActivityHistory.add() stores it.
 */
export type ActivitySample = readonly [number, number, number, number, number]

const COLUMNS = 7

/**
 * The activity of one database at one moment. Times and durations of an Activity are milliseconds.
 */
export interface Activity {
  readonly at: number
  readonly lagMs: number
  /**
   * Number of uploads since the previous sample, the total size of these uploads in bytes, and the
   * duration of the slowest upload.
   */
  readonly uploads: number
  readonly bytes: number
  readonly uploadMs: number
  /**
   * Number of requests since the replica was opened. `writeRequests` counts writes and listings,
   * and `readRequests` counts reads.
   */
  readonly writeRequests: number
  readonly readRequests: number
}

/**
 * The samples of one database's activity in the last half hour. The samples take 20 KiB of memory.
 */
export class ActivityHistory {
  static readonly SAMPLES = 360
  readonly #values = new Float64Array(ActivityHistory.SAMPLES * COLUMNS)
  #count = 0

  add(sample: Activity): void {
    const { at, lagMs, uploads, bytes, uploadMs, writeRequests, readRequests } = sample
    const start = (this.#count++ % ActivityHistory.SAMPLES) * COLUMNS
    this.#values.set([at, lagMs, uploads, bytes, uploadMs, writeRequests, readRequests], start)
  }

  /** The stored samples, oldest first. */
  get samples(): ActivitySample[] {
    return this.#rows((row) => [row[0]!, row[1]!, row[2]!, row[3]!, row[4]!])
  }

  /** The samples as `[time, lag]`, oldest first. */
  get lags(): (readonly [number, number])[] {
    return this.#rows((row) => [row[0]!, row[1]!])
  }

  /**
   * Requests per millisecond between the oldest and the newest sample. Returns undefined if these
   * samples are less than `span` milliseconds apart, or if the replica was opened again between
   * them.
   */
  requestRate(span: number): { readonly writes: number; readonly reads: number } | undefined {
    const [oldest, newest] = this.#ends()
    if (!oldest || !newest) return undefined
    const ms = newest[0]! - oldest[0]!
    const [writes, reads] = [newest[5]! - oldest[5]!, newest[6]! - oldest[6]!]
    if (ms < span || writes < 0 || reads < 0) return undefined
    return { writes: writes / ms, reads: reads / ms }
  }

  #ends(): [Float64Array | undefined, Float64Array | undefined] {
    const first = Math.max(0, this.#count - ActivityHistory.SAMPLES)
    return this.#count < 2 ? [undefined, undefined] : [this.#row(first), this.#row(this.#count - 1)]
  }

  #row(number: number): Float64Array {
    const start = (number % ActivityHistory.SAMPLES) * COLUMNS
    return this.#values.subarray(start, start + COLUMNS)
  }

  #rows<T>(of: (row: Float64Array) => T): T[] {
    const rows: T[] = []
    for (let i = Math.max(0, this.#count - ActivityHistory.SAMPLES); i < this.#count; i++) rows.push(of(this.#row(i)))
    return rows
  }
}
