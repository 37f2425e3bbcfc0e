import type { LtxFileInfo } from '../storage/replica-client.js'
import { AgeClock } from '../util/age-clock.js'
import type { Clock } from '../util/clock.js'

/**
 * The ages of files by which retention deletes. The times of files and the present may come from clocks that were set: see
 * AgeClock for the present. A file whose time lies in the future was labelled by a clock that was ahead; it counts as created
 * when this object first saw it, or it would stay until the wall clock gets there.
 */
export class FileAges {
  readonly #clock: AgeClock
  /** Files with a time in the future, and when each was first seen; of the run before and of this one. */
  #before = new Map<string, number>()
  #seen = new Map<string, number>()

  /** `retention`: how long files stay, milliseconds. */
  constructor(retention: number, clock: Clock) {
    this.#clock = new AgeClock(retention, clock)
  }

  /** Begins a run and returns the present, milliseconds since the epoch. Files that the run before did not ask for are forgotten. */
  begin(): number {
    this.#before = this.#seen
    this.#seen = new Map()
    return this.#clock.now()
  }

  /** When `file` counts as created, milliseconds since the epoch; `now` is what `begin` returned. */
  createdAt(file: LtxFileInfo, now: number): number {
    if (file.createdAt <= now) return file.createdAt
    const key = `${file.level} ${file.minTxid} ${file.maxTxid}`
    const seen = this.#seen.get(key) ?? this.#before.get(key) ?? now
    this.#seen.set(key, seen)
    return seen
  }
}
