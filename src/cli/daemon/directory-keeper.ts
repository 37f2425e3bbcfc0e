import { statSync } from 'node:fs'
import path from 'node:path'
import { type DirectoryScan, emptyFaults, isMetaDirectory, scanDirectory } from '../../config/directories.js'
import type { DatabaseConfig, DirectoryConfig } from '../../config/types.js'
import { isErrno } from '../../fs/fs-error.js'
import { retryDelay } from '../../util/back-off.js'
import { startTimer, type Timer } from '../../util/timers.js'
import type { Daemon } from './daemon.js'
import { FolderWatches } from './folder-watches.js'
import type { ManagedDatabase, StartOptions } from './managed-database.js'
import type { Part } from './part-faults.js'

/**
 * Milliseconds between a change in a watched folder and the following scan. Each further change
 * during DEBOUNCE_MS restarts the delay.
 */
const DEBOUNCE_MS = 250
/**
 * First and longest interval between two scans of a directory with unreadable files or folders, in
 * milliseconds.
 */
const RETRY_FIRST_MS = 1000
const RETRY_MOST_MS = 30_000
/**
 * Interval between scans of a watched directory, in milliseconds. The periodic scans find changes
 * that a watch misses. On a network file system, a watch misses all changes.
 */
const RESCAN_MS = 60_000

const SIDE_FILE = /-(wal|shm|journal)$/

/**
 * Replicates the databases of one directory entry of the configuration. Reports a separate fault
 * for each file or folder that cannot be read, and scans the directory again later. A fault of one
 * file or folder does not affect other databases. If the entry has `watch`, the keeper also adds
 * new databases and removes deleted ones.
 */
export class DirectoryKeeper {
  readonly #daemon: Daemon
  readonly #directory: DirectoryConfig
  readonly #options: StartOptions
  readonly #watches: FolderWatches | undefined
  /** The paths of the databases that this keeper has added. */
  readonly #own = new Set<string>()
  /** The faults that the latest scan reported, by path. */
  #faulty = new Map<string, Part>()
  #timer: Timer | undefined
  #scanning: Promise<void> | undefined
  #failures = 0
  #changed = false
  #scanned = false
  #started: Promise<unknown> | undefined
  #closed = false
  #retired = false

  /**
   * `adopted` contains the paths of the entry's databases that the daemon was already replicating.
   */
  constructor(daemon: Daemon, directory: DirectoryConfig, options: StartOptions = {}, adopted: Iterable<string> = []) {
    for (const path of adopted) this.#own.add(path)
    this.#daemon = daemon
    this.#directory = directory
    this.#options = options
    if (directory.watch && options.monitor !== false) {
      this.#watches = new FolderWatches(directory.dir, daemon.faults, (folder, name) => this.#noticed(folder, name))
    }
  }

  /** The paths of the databases that this keeper has added. */
  get databases(): readonly string[] {
    return [...this.#own]
  }

  /**
   * Scans the directory and starts the databases that the scan found. Resolves when the replica of
   * each of these databases was opened or could not be opened. Never throws.
   */
  async start(): Promise<void> {
    await this.#scan()
    await this.#started
  }

  /**
   * Stops scanning. A running scan may still wait for a replica to open, and ends when the daemon
   * closes the databases.
   */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.stop()
    this.#watches?.close()
  }

  /** Closes the keeper of a removed directory entry, and removes the faults of that entry. */
  async retire(): Promise<void> {
    this.#retired = true
    await this.close()
    for (const part of this.#faulty.values()) this.#daemon.faults.forget(part)
  }

  #noticed(folder: string, name: string | null): void {
    if (name !== null && (SIDE_FILE.test(name) || isMetaDirectory(name))) return
    // A changed file of a replicated database needs no scan, because it may change at every commit.
    // The primary of the database itself detects if the file is removed or replaced.
    const known = name !== null && this.#daemon.find(path.join(folder, name)) !== undefined
    if (known && exists(path.join(folder, name))) return
    this.#changed = true
    this.#schedule(DEBOUNCE_MS)
  }

  #schedule(ms: number): void {
    this.#timer?.stop()
    if (!this.#closed && !this.#scanning) this.#timer = startTimer(ms, () => this.#scan()).unref()
  }

  async #scan(): Promise<void> {
    this.#changed = false
    this.#scanning = this.#scanOnce()
    try {
      await this.#scanning
    } finally {
      this.#scanning = undefined
      if (this.#changed) this.#schedule(DEBOUNCE_MS)
      else if (this.#failures > 0) this.#schedule(retryDelay(this.#failures, RETRY_FIRST_MS, RETRY_MOST_MS))
      else if (this.#watches) this.#schedule(RESCAN_MS)
    }
  }

  async #scanOnce(): Promise<void> {
    const directory = this.#directory
    const scan = scanDirectory(directory)
    // A file may have been created after the scan read its folder and before the new watch began,
    // so another scan follows.
    if (this.#watches?.update(scan.folders)) this.#changed = true
    const faults = new Map<string, unknown>()
    for (const { path: at, error } of [...scan.faults, ...emptyFaults(directory, scan)]) faults.set(at, error)
    const started = scan.databases.map((database) => this.#add(database, faults))
    this.#report(faults)
    this.#scanned = true
    if (directory.watch) await this.#removeVanished(scan)
    // If `monitor` is true, the next scan need not wait until the replicas of the previous scan are
    // open.
    const ready = Promise.all(started)
    if (this.#options.monitor === false) await ready
    else this.#started ??= ready
  }

  /**
   * Adds a database. Resolves when the database's replica was opened or could not be opened. An
   * error that the daemon does not retry becomes a fault of the database file.
   */
  async #add(config: DatabaseConfig, faults: Map<string, unknown>): Promise<void> {
    const { path: file } = config
    if (this.#closed) return
    let database: ManagedDatabase | undefined
    try {
      database = this.#daemon.take(config)
    } catch (error) {
      faults.set(file, error)
    }
    if (!database) return
    this.#own.add(file)
    if (this.#scanned) this.#daemon.logger.info({ db: file }, 'database appeared')
    try {
      await this.#daemon.begin(database, this.#options)
    } catch (error) {
      this.#daemon.faults.failed({ part: 'file', name: file, replication: true }, error)
      await this.#daemon.remove(file)
    }
  }

  /**
   * Removes the databases whose files were deleted. If the folder of a database is unreadable, or
   * if the whole directory of the entry is missing, the database is not removed.
   */
  async #removeVanished(scan: DirectoryScan): Promise<void> {
    const { dir } = this.#directory
    if (!scan.folders.includes(dir)) return
    for (const file of this.#own) {
      if (exists(file)) continue
      this.#own.delete(file)
      this.#daemon.logger.info({ db: file }, 'database vanished')
      try {
        await this.#daemon.remove(file)
      } catch (error) {
        this.#daemon.logger.error(
          { db: file, error: (error as Error).message },
          'the last sync of a vanished database failed',
        )
      }
    }
  }

  #report(faults: ReadonlyMap<string, unknown>): void {
    if (this.#retired) return
    this.#failures = faults.size > 0 ? this.#failures + 1 : 0
    const now = new Map<string, Part>()
    for (const [at, error] of faults) {
      const part: Part = { part: at === this.#directory.dir ? 'directory' : 'file', name: at, replication: true }
      now.set(at, part)
      this.#daemon.faults.failed(part, error, retryDelay(this.#failures, RETRY_FIRST_MS, RETRY_MOST_MS))
    }
    for (const [at, part] of this.#faulty) if (!now.has(at)) this.#daemon.faults.works(part)
    this.#faulty = now
  }
}

/**
 * Returns false only if the file at the path certainly does not exist. Returns true for a file
 * below an unreadable folder.
 */
function exists(file: string): boolean {
  try {
    statSync(file)
    return true
  } catch (error) {
    return !isErrno(error, 'ENOENT', 'ENOTDIR')
  }
}
