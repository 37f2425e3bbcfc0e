import { type FSWatcher, watch } from 'node:fs'
import { fsError } from '../../fs/fs-error.js'
import { guarded } from '../../util/timers.js'
import type { Part, PartFaults } from './part-faults.js'

/** Called for a change in a watched folder; the name is null where the system does not tell it. */
export type OnChange = (folder: string, name: string | null) => void

/**
 * One watch for each folder of a directory, kept in step with the folders that a scan has found. A watch that cannot be made, as where
 * the limits of inotify are reached, is a fault; the scans at intervals find what it would have reported, and make it again.
 *
 * Node's own recursive watch is not used: it reads folders in handlers of its own, and an error in one ends the process.
 */
export class FolderWatches {
  readonly #part: Part
  readonly #faults: PartFaults
  readonly #onChange: OnChange
  readonly #watchers = new Map<string, FSWatcher>()

  constructor(directory: string, faults: PartFaults, onChange: OnChange) {
    // A database that appears is found by the next scan: nothing stays without replication.
    this.#part = { part: 'watch', name: directory, replication: false }
    this.#faults = faults
    this.#onChange = onChange
  }

  /** Watches exactly these folders. Returns whether there is one that was not watched before. */
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
        // The next scan makes it again.
        watcher.close()
        if (this.#watchers.get(folder) === watcher) this.#watchers.delete(folder)
        this.#faults.failed(this.#part, fsError(error, 'watching', folder))
        this.#onChange(folder, null)
      }),
    )
    return watcher
  }
}
