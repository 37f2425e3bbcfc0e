import { native } from '../../native/addon.js'
import type { NativeFileStamps } from '../../native/file-stamps.js'
import { guarded, startInterval, type Timer } from '../../util/timers.js'

/** The watches of this thread, with the interval in milliseconds as the key. */
const watches = new Map<number, IdleWatch>()

/** A resting database whose files an IdleWatch checks for changes. */
export interface WatchedDatabase {
  /** Whether the database file or the -wal has changed after `add` was called. */
  readonly hasChanged: boolean
  /** Ends the watch. `onChange` is not called after `stop`. */
  stop(): void
}

/**
 * Detects changes of resting databases, whose files this process has closed. At each interval,
 * IdleWatch calls stat for the database file and the -wal of each database. All databases with the
 * same interval share one timer.
 */
export class IdleWatch {
  readonly #interval: number
  readonly #callbacks = new Map<number, () => void>()
  #stamps: NativeFileStamps | undefined
  #timer: Timer | undefined

  private constructor(interval: number) {
    this.#interval = interval
  }

  /**
   * Checks every `interval` milliseconds whether the files of the database at `file` have changed
   * after this call. The first change ends the watch and calls `onChange`, which must not throw.
   */
  static add(file: string, interval: number, onChange: () => void): WatchedDatabase {
    let watch = watches.get(interval)
    if (!watch) {
      watch = new IdleWatch(interval)
      watches.set(interval, watch)
    }
    return watch.#add(file, guarded(onChange))
  }

  /** Number of databases that this thread watches. */
  static get size(): number {
    let size = 0
    for (const watch of watches.values()) size += watch.#callbacks.size
    return size
  }

  #add(file: string, onChange: () => void): WatchedDatabase {
    this.#stamps ??= native.createFileStamps()
    const number = native.addFileStamps(this.#stamps, file)
    this.#callbacks.set(number, onChange)
    this.#timer ??= startInterval(this.#interval, () => this.#look())
    const stamps = this.#stamps
    return {
      get hasChanged() {
        return native.hasFileStampsChanged(stamps, number)
      },
      stop: () => this.#remove(number),
    }
  }

  #remove(number: number): void {
    if (!this.#callbacks.delete(number)) return
    native.removeFileStamps(this.#stamps!, number)
    if (this.#callbacks.size > 0) return
    this.#timer?.stop()
    this.#timer = undefined
  }

  #look(): void {
    for (const number of native.changedFileStamps(this.#stamps!)) {
      const onChange = this.#callbacks.get(number)
      this.#remove(number)
      onChange?.()
    }
  }
}
