import { existsSync, type FSWatcher, watch } from 'node:fs'
import path from 'node:path'
import { databasesInDirectory } from '../../config/directories.js'
import type { DirectoryConfig } from '../../config/types.js'
import { startTimer, type Timer } from '../../util/timers.js'
import type { Daemon } from './daemon.js'

/** A burst of changes is looked at once, this long after its last one. Milliseconds. */
const DEBOUNCE = 250

const SIDECAR = /-(wal|shm|journal)$/

/** Takes up databases that appear in a directory, and lets go of those that vanish. */
export class DirectoryWatcher {
  readonly #daemon: Daemon
  readonly #directory: DirectoryConfig
  readonly #watcher: FSWatcher
  #timer: Timer | undefined
  #scanning: Promise<void> | undefined

  constructor(daemon: Daemon, directory: DirectoryConfig) {
    this.#daemon = daemon
    this.#directory = directory
    this.#watcher = watch(directory.dir, { recursive: directory.recursive }, (_, name) => {
      if (name === null || (!SIDECAR.test(name) && !name.includes('-litestream'))) this.#changed()
    })
    this.#watcher.on('error', (error) => {
      daemon.logger.error({ dir: directory.dir, error: error.message }, 'cannot watch the directory any more')
    })
    this.#changed() // what appeared between the first look and the watch
  }

  async close(): Promise<void> {
    this.#watcher.close()
    this.#timer?.stop()
    await this.#scanning
  }

  #changed(): void {
    this.#timer?.stop()
    this.#timer = startTimer(DEBOUNCE, () => {
      if (this.#scanning !== undefined) return this.#changed()
      this.#scanning = this.#scan().finally(() => {
        this.#scanning = undefined
      })
    })
  }

  async #scan(): Promise<void> {
    const { logger } = this.#daemon
    const { dir } = this.#directory
    try {
      for (const database of databasesInDirectory(this.#directory)) {
        if (await this.#daemon.add(database)) logger.info({ db: database.path }, 'database appeared')
      }
      for (const { path: file } of this.#daemon.databases) {
        if (path.relative(dir, file).startsWith('..') || existsSync(file)) continue
        logger.info({ db: file }, 'database vanished')
        await this.#daemon.remove(file)
      }
    } catch (error) {
      logger.error({ dir, error: (error as Error).message }, 'cannot take up what changed in the directory')
    }
  }
}
