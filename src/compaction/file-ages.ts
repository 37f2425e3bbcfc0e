import type { LtxFileInfo } from '../storage/replica-client.js'
import { AgeClock } from '../util/age-clock.js'
import type { Clock } from '../util/clock.js'

/**
 * Determines the creation time of each file for retention. The clock of a writer may have been
 * wrong, so the creation time of a file can be in the future. For a creation time in the future,
 * FileAges uses the time at which createdAt() was first called for the file. Otherwise retention
 * would keep a file with a creation time in the future until the wall clock reaches this time.
 * AgeClock handles steps of the local wall clock.
 */
export class FileAges {
  readonly #clock: AgeClock
  /**
   * For each file with a creation time in the future, the time at which FileAges first saw the
   * file. `#before` is the map of the previous run, and `#seen` is the map of the current run.
   */
  #before = new Map<string, number>()
  #seen = new Map<string, number>()

  /** `retention` is the age in milliseconds at which retention deletes files. */
  constructor(retention: number, clock: Clock) {
    this.#clock = new AgeClock(retention, clock)
  }

  /**
   * Begins a run of retention, and returns the current time in milliseconds since the epoch.
   * Forgets files for which `createdAt` was not called in the previous run.
   */
  begin(): number {
    this.#before = this.#seen
    this.#seen = new Map()
    return this.#clock.now()
  }

  /**
   * Returns the creation time of `file` for retention, in milliseconds since the epoch. `now` is
   * the time that `begin` returned.
   */
  createdAt(file: LtxFileInfo, now: number): number {
    if (file.createdAt <= now) return file.createdAt
    const key = `${file.level} ${file.minTxid} ${file.maxTxid}`
    const seen = this.#seen.get(key) ?? this.#before.get(key) ?? now
    this.#seen.set(key, seen)
    return seen
  }
}
