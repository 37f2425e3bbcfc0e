import { type FSWatcher, type Stats, statSync, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { guarded, startInterval, type Timer } from '../../util/timers.js'

/**
 * Interval in milliseconds at which the watch checks that the path still refers to the watched
 * directory. The kernel does not report that a parent directory was renamed, or that a directory
 * became readable.
 */
const CHECK_MS = 2000

/**
 * Calls `onChange` after a file whose name `wanted` accepts was created in `directory` or removed
 * from `directory`. Several changes in one turn of the event loop cause one call. The directory
 * need not exist. While the directory does not exist, watchDirectory() watches its nearest existing
 * ancestor.
 *
 * Throws if no directory can be watched at the start. The watch does not throw later. If another
 * program removes the directory, replaces it or makes it unreadable, the watch starts again as soon
 * as possible. The watch calls `onChange` after the new start, because changes may have been missed
 * in the meantime.
 *
 * Returns a function that ends the watch. The watch does not keep the process alive.
 */
export function watchDirectory(directory: string, wanted: (name: string) => boolean, onChange: () => void): () => void {
  const watcher = new DirectoryWatch(directory, wanted, onChange)
  return () => watcher.end()
}

class DirectoryWatch {
  readonly #directory: string
  readonly #wanted: (name: string) => boolean
  readonly #onChange: () => void
  readonly #timer: Timer
  #watcher: FSWatcher | undefined
  /**
   * The watched path. The watched path is the directory, or the nearest existing ancestor of the
   * directory.
   */
  #watched = ''
  /** Identity of the watched directory, or undefined while the directory does not exist. */
  #identity: string | undefined
  #pending: NodeJS.Immediate | undefined
  #ended = false

  constructor(directory: string, wanted: (name: string) => boolean, onChange: () => void) {
    this.#directory = directory
    this.#wanted = wanted
    this.#onChange = onChange
    this.#watch()
    this.#timer = startInterval(CHECK_MS, () => this.#check()).unref()
  }

  end(): void {
    this.#ended = true
    this.#timer.stop()
    if (this.#pending !== undefined) clearImmediate(this.#pending)
    this.#watcher?.close()
  }

  #watch(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    this.#identity = undefined
    for (this.#watched = this.#directory; ; this.#watched = path.dirname(this.#watched)) {
      try {
        if (this.#watched === this.#directory) this.#identity = identityOf(statSync(this.#directory))
        const watcher: FSWatcher = watch(
          this.#watched,
          { persistent: false },
          guarded((event, name) => this.#onEvent(watcher, event, name)),
        )
        watcher.on(
          'error',
          guarded(() => this.#failed(watcher)),
        )
        this.#watcher = watcher
        return
      } catch (error) {
        const isMissing = isErrno(error, 'ENOENT', 'ENOTDIR') && path.dirname(this.#watched) !== this.#watched
        if (!isMissing) throw fsError(error, 'watching', this.#watched)
      }
    }
  }

  #onEvent(watcher: FSWatcher, event: string, name: string | null): void {
    if (this.#ended || watcher !== this.#watcher || event !== 'rename') return
    // An event with the name of the watched directory itself means that another program has removed
    // or moved the directory.
    const isOwn = name === null || name === path.basename(this.#watched)
    if (this.#watched === this.#directory) {
      if (name === path.basename(this.#directory)) this.#again(watcher)
      else if (name === null || this.#wanted(name)) this.#notify()
      return
    }
    // While the watch observes an ancestor such as /tmp, it ignores all entries except the next
    // directory on the path.
    const [next] = path.relative(this.#watched, this.#directory).split(path.sep)
    if (isOwn || name === next) this.#again(watcher)
  }

  /**
   * Closes a watcher that failed. The next periodic check starts a new watcher. A watcher that
   * always fails is therefore started once per CHECK_MS.
   */
  #failed(watcher: FSWatcher): void {
    watcher.close()
    if (watcher === this.#watcher) this.#watcher = undefined
  }

  /**
   * Replaces `watcher`, because `watcher` has failed or its directory has changed. If no watcher
   * can be started, the next periodic check tries again.
   */
  #again(watcher: FSWatcher | undefined): void {
    if (this.#ended || watcher !== this.#watcher) return
    try {
      this.#watch()
    } catch {
      this.#watcher = undefined
    }
    this.#notify()
  }

  async #check(): Promise<void> {
    const watcher = this.#watcher
    const found = identityOf(await stat(this.#directory).catch(() => undefined))
    if (watcher === undefined || found !== this.#identity) this.#again(watcher)
  }

  #notify(): void {
    this.#pending ??= setImmediate(
      guarded(() => {
        this.#pending = undefined
        if (!this.#ended) this.#onChange()
      }),
    )
  }
}

/**
 * Returns device, inode and permissions of a directory as one text. If the text changes, the watch
 * needs a new watcher.
 */
function identityOf(stats: Stats | undefined): string | undefined {
  return stats && `${stats.dev}/${stats.ino}/${stats.mode}`
}
