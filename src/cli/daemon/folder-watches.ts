import { type FSWatcher, watch } from 'node:fs'
import { fsError } from '../../fs/fs-error.js'
import { guarded } from '../../util/timers.js'
import type { Part, PartFaults } from './part-faults.js'

/**
 * Receives each change in a watched folder. `name` is null if the operating system does not report
 * which file changed.
 */
export type OnChange = (folder: string, name: string | null) => void

/**
 * Watches every folder of a directory entry with a separate watch, and updates the watches after
 * each scan. A watch that cannot be created, for example because of inotify limits, is reported as
 * a fault. In a folder without a watch, the periodic scans find the changes. After each scan, the
 * class tries again to create the missing watches.
 *
 * The class does not use the recursive watch of Node.js. The recursive watch reads folders in its
 * own event handlers, and an error in one of these handlers would end the process.
 */
export class FolderWatches {
  readonly #part: Part
  readonly #faults: PartFaults
  readonly #onChange: OnChange
  readonly #watchers = new Map<string, FSWatcher>()

  constructor(directory: string, faults: PartFaults, onChange: OnChange) {
    // The watch is not needed for replication, because the next periodic scan finds new databases
    // without it.
    this.#part = { part: 'watch', name: directory, replication: false }
    this.#faults = faults
    this.#onChange = onChange
  }

  /** Makes the watched folders equal to `folders`. Returns whether a new watch was created. */
  update(folders: readonly string[]): boolean {
    const wanted = new Set(folders)
    for (const [folder, watcher] of this.#watchers) {
      if (wanted.has(folder)) continue
      watcher.close()
      this.#watchers.delete(folder)
    }
    let added = false
    let failure: unknown
    for (const folder of folders) {
      if (this.#watchers.has(folder)) continue
      try {
        this.#watchers.set(folder, this.#watch(folder))
        added = true
      } catch (error) {
        failure ??= fsError(error, 'watching', folder)
      }
    }
    if (failure) this.#faults.failed(this.#part, failure)
    else this.#faults.works(this.#part)
    return added
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
    this.#faults.forget(this.#part)
  }

  #watch(folder: string): FSWatcher {
    const watcher = watch(folder, { persistent: false })
    watcher.on(
      'change',
      guarded((_event: string, name: string | Buffer | null) =>
        this.#onChange(folder, name === null ? null : String(name)),
      ),
    )
    watcher.on(
      'error',
      guarded((error: Error) => {
        // After the next scan, the class tries to create the failed watch again.
        watcher.close()
        if (this.#watchers.get(folder) === watcher) this.#watchers.delete(folder)
        this.#faults.failed(this.#part, fsError(error, 'watching', folder))
        this.#onChange(folder, null)
      }),
    )
    return watcher
  }
}
