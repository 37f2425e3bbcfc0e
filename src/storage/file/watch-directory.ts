import { type FSWatcher, type Stats, statSync, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { guarded, startInterval, type Timer } from '../../util/timers.js'

/**
 * Interval at which the watch checks that it still watches the directory with this name, in
 * milliseconds: the kernel does not report that a parent was renamed, or that a directory became
 * readable.
 */
const CHECK_MS = 2000

/**
 * Calls `onChange` after a name that `wanted` accepts appeared in `directory` or was removed. The
 * directory need not exist: until it does, its nearest existing ancestor is watched. Several
 * changes in one turn of the event loop cause one call.
 *
 * Throws if nothing can be watched at the start. Later it does not throw: a directory that was
 * removed, replaced or made unreadable is watched again when possible, and `onChange` is called
 * because changes may have been missed.
 *
 * Returns a function that ends the watch. The watcher does not keep the process alive.
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
  /** The watched path: the directory, or its nearest existing ancestor. */
  #watched = ''
  /** Identity of the directory when it was last watched; undefined while it does not exist. */
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
    // The watched directory's own name means that the directory itself was removed or moved.
    const isOwn = name === null || name === path.basename(this.#watched)
    if (this.#watched === this.#directory) {
      if (name === path.basename(this.#directory)) this.#again(watcher)
      else if (name === null || this.#wanted(name)) this.#notify()
      return
    }
    // In an ancestor, such as /tmp, only the entry on the path to the directory counts.
    const [next] = path.relative(this.#watched, this.#directory).split(path.sep)
    if (isOwn || name === next) this.#again(watcher)
  }

  /**
   * The next check watches again: a watch that always fails immediately costs one attempt per
   * CHECK_MS.
   */
  #failed(watcher: FSWatcher): void {
    watcher.close()
    if (watcher === this.#watcher) this.#watcher = undefined
  }

  /**
   * `watcher`: the one that failed, or whose directory changed. If no watch can be set now, the
   * next check tries again.
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
 * Device, inode and permissions: a new directory, or one that became readable again, needs a new
 * watcher.
 */
function identityOf(stats: Stats | undefined): string | undefined {
  return stats && `${stats.dev}/${stats.ino}/${stats.mode}`
}
