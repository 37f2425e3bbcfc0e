import type { LtxFileInfo } from '../storage/replica-client.js'
import { AgeClock } from '../util/age-clock.js'
import type { Clock } from '../util/clock.js'

/**
 * The ages of files, by which retention deletes. File times and the current time may come from
 * clocks that were set; see AgeClock for the current time. A file with a time in the future was
 * labelled by a clock that was ahead. Such a file counts as created when this object first saw it;
 * otherwise it would stay until the wall clock reaches that time.
 */
export class FileAges {
  readonly #clock: AgeClock
  /**
   * Files with a time in the future, and when each was first seen: of the previous run and of this
   * one.
   */
  #before = new Map<string, number>()
  #seen = new Map<string, number>()

  /** `retention`: how long files are kept, in milliseconds. */
  constructor(retention: number, clock: Clock) {
    this.#clock = new AgeClock(retention, clock)
  }

  /**
   * Begins a run and returns the current time in milliseconds since the epoch. Forgets files that
   * the previous run did not query.
   */
  begin(): number {
    this.#before = this.#seen
    this.#seen = new Map()
    return this.#clock.now()
  }

  /**
   * The creation time to use for `file`, in milliseconds since the epoch; `now` is the result of
   * `begin`.
   */
  createdAt(file: LtxFileInfo, now: number): number {
    if (file.createdAt <= now) return file.createdAt
    const key = `${file.level} ${file.minTxid} ${file.maxTxid}`
    const seen = this.#seen.get(key) ?? this.#before.get(key) ?? now
    this.#seen.set(key, seen)
    return seen
  }
}
