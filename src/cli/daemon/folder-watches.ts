import { type FSWatcher, watch } from 'node:fs'
import { fsError } from '../../fs/fs-error.js'
import { guarded } from '../../util/timers.js'
import type { Part, PartFaults } from './part-faults.js'

/** Called for a change in a watched folder; the name is null if the system does not report it. */
export type OnChange = (folder: string, name: string | null) => void

/**
 * One watch per folder of a directory, updated with the folders that a scan found. A watch that
 * cannot be created, for example because of inotify limits, is a fault; periodic scans find its
 * changes, and create it again.
 *
 * Node.js's own recursive watch is not used: it reads folders in its own handlers, and an error in
 * one ends the process.
 */
export class FolderWatches {
  readonly #part: Part
  readonly #faults: PartFaults
  readonly #onChange: OnChange
  readonly #watchers = new Map<string, FSWatcher>()

  constructor(directory: string, faults: PartFaults, onChange: OnChange) {
    // The next scan finds a new database, so no database stays without replication.
    this.#part = { part: 'watch', name: directory, replication: false }
    this.#faults = faults
    this.#onChange = onChange
  }

  /** Watches exactly these folders. Returns whether one of the folders is new. */
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
        // The next scan creates the watch again.
        watcher.close()
        if (this.#watchers.get(folder) === watcher) this.#watchers.delete(folder)
        this.#faults.failed(this.#part, fsError(error, 'watching', folder))
        this.#onChange(folder, null)
      }),
    )
    return watcher
  }
}
