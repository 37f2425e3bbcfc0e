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

/** Delay after the last change of a burst before one scan runs. Milliseconds. */
const DEBOUNCE_MS = 250
/** First and longest interval before a scan with faults is repeated. Milliseconds. */
const RETRY_FIRST_MS = 1000
const RETRY_MOST_MS = 30_000
/**
 * Interval at which a watched directory is also scanned, because a watch may miss changes, on
 * network file systems all of them. Milliseconds.
 */
const RESCAN_MS = 60_000

const SIDE_FILE = /-(wal|shm|journal)$/

/**
 * Replicates the databases of one directory entry. Each file or folder that cannot be read is a
 * separate fault, is shown and scanned again, and affects no other database. With `watch`, new
 * databases are added, and deleted ones are removed.
 */
export class DirectoryKeeper {
  readonly #daemon: Daemon
  readonly #directory: DirectoryConfig
  readonly #options: StartOptions
  readonly #watches: FolderWatches | undefined
  /** The databases that this entry has added. */
  readonly #own = new Set<string>()
  /** The faults of the last scan, by path. */
  #faulty = new Map<string, Part>()
  #timer: Timer | undefined
  #scanning: Promise<void> | undefined
  #failures = 0
  #changed = false
  #scanned = false
  #started: Promise<unknown> | undefined
  #closed = false
  #retired = false

  /** `adopted`: databases of the entry that the daemon replicates already. */
  constructor(daemon: Daemon, directory: DirectoryConfig, options: StartOptions = {}, adopted: Iterable<string> = []) {
    for (const path of adopted) this.#own.add(path)
    this.#daemon = daemon
    this.#directory = directory
    this.#options = options
    if (directory.watch && options.monitor !== false) {
      this.#watches = new FolderWatches(directory.dir, daemon.faults, (folder, name) => this.#noticed(folder, name))
    }
  }

  /** The paths of the databases that this entry has added. */
  get databases(): readonly string[] {
    return [...this.#own]
  }

  /** Resolves after the first scan and the first attempt to open each replica. Never throws. */
  async start(): Promise<void> {
    await this.#scan()
    await this.#started
  }

  /** Stops scanning. A scan that waits for a replica to open ends with the databases. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.stop()
    this.#watches?.close()
  }

  /** Closes an entry that is no longer in the configuration, whose faults no longer count. */
  async retire(): Promise<void> {
    this.#retired = true
    await this.close()
    for (const part of this.#faulty.values()) this.#daemon.faults.forget(part)
  }

  #noticed(folder: string, name: string | null): void {
    if (name !== null && (SIDE_FILE.test(name) || isMetaDirectory(name))) return
    // A replicated database changes all the time; its own replication detects that it was removed
    // or replaced.
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
    // The next scan finds files that appear between this scan and a new watch.
    if (this.#watches?.update(scan.folders)) this.#changed = true
    const faults = new Map<string, unknown>()
    for (const { path: at, error } of [...scan.faults, ...emptyFaults(directory, scan)]) faults.set(at, error)
    const started = scan.databases.map((database) => this.#add(database, faults))
    this.#report(faults)
    this.#scanned = true
    if (directory.watch) await this.#removeVanished(scan)
    // With a monitor, the first attempts to open replicas do not delay scans.
    const ready = Promise.all(started)
    if (this.#options.monitor === false) await ready
    else this.#started ??= ready
  }

  /**
   * Resolves after the first attempt to open its replica. Without a monitor an error in it is a
   * fault of the file.
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
   * A database below an unreadable folder, or in a directory that is missing as a whole, does not
   * count as deleted.
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

/** False only if the file certainly does not exist: an unreadable folder hides its files. */
function exists(file: string): boolean {
  try {
    statSync(file)
    return true
  } catch (error) {
    return !isErrno(error, 'ENOENT', 'ENOTDIR')
  }
}
