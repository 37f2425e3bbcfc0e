import { scanDirectory } from '../../config/directories.js'
import { fingerprint } from '../../config/fingerprint.js'
import { refuseOverlaps } from '../../config/overlaps.js'
import type { Config, DatabaseConfig, DirectoryConfig } from '../../config/types.js'
import { LitestreamError, toLitestreamError } from '../../errors.js'
import { guarded, timeoutSignal } from '../../util/timers.js'
import { CLOSE_MARGIN_MS, type Daemon } from './daemon.js'
import { DirectoryKeeper } from './directory-keeper.js'

/**
 * Settings of the process that affect every database. After a change of one of these settings, a
 * reload restarts every database.
 */
const OF_DATABASES = [
  'levels',
  'snapshot',
  'validationInterval',
  'l0Retention',
  'l0RetentionCheckInterval',
  'verifyCompaction',
  'retentionEnabled',
  'divergedRetention',
  'shutdownSyncTimeout',
  'shutdownSyncInterval',
] as const satisfies readonly (keyof Config)[]

/**
 * Settings that take effect only after a restart of the process, with their names in the
 * configuration file.
 */
const OF_PROCESS = {
  addr: 'addr',
  mcpAddr: 'mcp-addr',
  exec: 'exec',
  socket: 'socket',
  restoreProof: 'validation.restore-interval',
  heartbeat: 'heartbeat',
  execStopTimeout: 'exec-stop-timeout',
  logging: 'logging',
} as const satisfies { readonly [K in keyof Config]?: string }

/**
 * The result of a reload. `needs_restart` contains names of settings, and the other lists contain
 * paths of databases.
 */
export interface ReloadResult {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
  readonly unchanged: readonly string[]
  readonly needs_restart: readonly string[]
  /** The databases whose final sync failed, and the databases that could not be started. */
  readonly errors: readonly {
    readonly path: string
    readonly code: string
    readonly error: string
    readonly hint: string
  }[]
}

/**
 * Manages the directory entries of a process, and applies changes of the configuration file. A
 * reload does not interrupt databases whose settings are unchanged.
 */
export class Reloader {
  readonly #daemon: Daemon
  readonly #read: (() => Config) | undefined
  #keepers = new Map<string, DirectoryKeeper>()
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  /**
   * `read` reads the configuration again. `read` is undefined if the configuration did not come
   * from a file.
   */
  constructor(daemon: Daemon, read: (() => Config) | undefined) {
    this.#daemon = daemon
    this.#read = read
    for (const directory of daemon.config.directories) this.#keep(directory)
  }

  get canReload(): boolean {
    return this.#read !== undefined
  }

  /**
   * Starts the directory entries. Resolves when the replica of each database in these directories
   * was opened or could not be opened.
   */
  async start(): Promise<void> {
    await Promise.all([...this.#keepers.values()].map((keeper) => keeper.start()))
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#keepers.values()].map((keeper) => keeper.close()))
  }

  /**
   * Reads the configuration again and applies its changes. Reloads run one after another. A
   * database with changed settings is stopped with a final sync, and started with the new settings.
   * If the configuration cannot be read or is invalid, throws and changes nothing.
   */
  reload(): Promise<ReloadResult> {
    const next = this.#last.then(() => this.#reload())
    this.#last = next.catch(() => undefined)
    return next
  }

  #keep(directory: DirectoryConfig, adopted: Iterable<string> = []): DirectoryKeeper {
    const keeper = new DirectoryKeeper(this.#daemon, directory, {}, adopted)
    this.#keepers.set(fingerprint(directory), keeper)
    return keeper
  }

  async #reload(): Promise<ReloadResult> {
    const daemon = this.#daemon
    const next = this.#readAgain()
    const before = daemon.config
    const needs_restart = Object.entries(OF_PROCESS)
      .filter(([key]) => differs(before, next, key as keyof Config))
      .map(([, name]) => name)
    const everyChanges = OF_DATABASES.some((key) => differs(before, next, key))

    const { gone, fresh } = this.#directories(next)
    // The databases that the previous configuration contained. The set does not contain databases
    // that were added by a `register` request.
    const ruled = new Set([...before.databases.map(({ path }) => path), ...gone.flatMap((keeper) => keeper.databases)])
    const inFresh = fresh.flatMap((directory) => scanDirectory(directory).databases)
    const wanted = new Map<string, DatabaseConfig>()
    for (const database of [...inFresh, ...next.databases]) wanted.set(database.path, database)

    const [removed, changed, unchanged]: [string[], string[], string[]] = [[], [], []]
    for (const { path, config } of daemon.databases) {
      const target = wanted.get(path) ?? (ruled.has(path) ? undefined : config)
      if (!target) removed.push(path)
      else if (everyChanges || fingerprint(target) !== fingerprint(config)) changed.push(path)
      else unchanged.push(path)
    }
    const known = new Map(daemon.databases.map((database) => [database.path, database] as const))
    const stopped = new Set(changed.filter((path) => !known.get(path)!.running))
    const errors = new Map<string, LitestreamError>()

    await Promise.all(gone.map((keeper) => keeper.retire()))
    // All changed databases must stop before one of them starts, because two databases may have
    // exchanged their replicas.
    await Promise.all([...removed, ...changed].map((path) => this.#remove(path, errors)))
    daemon.configure({ ...next, ...onlyOf(before, Object.keys(OF_PROCESS) as (keyof Config)[]) })
    const started = next.databases.filter(({ path }) => !known.has(path)).map(({ path }) => path)
    for (const path of [...started, ...changed]) {
      this.#add(wanted.get(path) ?? known.get(path)!.config, stopped.has(path), errors)
    }
    for (const directory of fresh) {
      const own = scanDirectory(directory).databases.map(({ path }) => path)
      const keeper = this.#keep(
        directory,
        own.filter((path) => known.has(path)),
      )
      started.push(...own.filter((path) => !known.has(path)))
      guarded(() => keeper.start())()
    }
    return {
      added: started.filter((path) => !errors.has(path)),
      removed,
      changed,
      unchanged,
      needs_restart,
      errors: [...errors].map(([path, { code, message, hint }]) => ({ path, code, error: message, hint })),
    }
  }

  #readAgain(): Config {
    if (!this.#read) {
      throw new LitestreamError(
        'INVALID_ARGUMENT',
        'the configuration does not come from a file, so the process cannot read the configuration again',
        {
          hint: 'Restart the process to change its configuration. A process that was started with -config FILE can reload its configuration file.',
        },
      )
    }
    if (this.#closed)
      throw new LitestreamError('ABORTED', 'the process is ending and does not reload its configuration')
    const next = this.#read()
    refuseOverlaps(next)
    // An editor may have truncated the configuration file without having written its new content.
    if (next.databases.length + next.directories.length === 0) {
      throw new LitestreamError('CONFIG_INVALID', 'no databases specified in configuration', {
        ...(next.file === undefined ? {} : { file: next.file }),
        hint: 'Add at least one database to the configuration file, then reload the file again. To stop all replication, stop the process instead.',
      })
    }
    return next
  }

  /**
   * Removes the keepers whose directory entry was deleted or changed. Returns the removed keepers,
   * and the directory entries that need a new keeper.
   */
  #directories(next: Config): { readonly gone: DirectoryKeeper[]; readonly fresh: DirectoryConfig[] } {
    const wanted = new Set(next.directories.map(fingerprint))
    const gone = [...this.#keepers].filter(([key]) => !wanted.has(key))
    for (const [key] of gone) this.#keepers.delete(key)
    const fresh = next.directories.filter((directory) => !this.#keepers.has(fingerprint(directory)))
    return { gone: gone.map(([, keeper]) => keeper), fresh }
  }

  async #remove(path: string, errors: Map<string, LitestreamError>): Promise<void> {
    try {
      const limit = this.#daemon.config.shutdownSyncTimeout + CLOSE_MARGIN_MS
      await this.#daemon.remove(path, timeoutSignal(limit))
    } catch (error) {
      errors.set(path, toLitestreamError(error))
    }
  }

  /**
   * Registers a database, and starts the database unless `isStopped`. Does not wait until the
   * replica is open, because the daemon retries failed openings.
   */
  #add(config: DatabaseConfig, isStopped: boolean, errors: Map<string, LitestreamError>): void {
    try {
      const database = this.#daemon.take(config)
      if (database && !isStopped) guarded(() => this.#daemon.begin(database))()
    } catch (error) {
      errors.set(config.path, toLitestreamError(error))
    }
  }
}

function differs(a: Config, b: Config, key: keyof Config): boolean {
  return fingerprint(a[key]) !== fingerprint(b[key])
}

function onlyOf<K extends keyof Config>(config: Config, keys: readonly K[]): Pick<Config, K> {
  return Object.fromEntries(keys.map((key) => [key, config[key]])) as Pick<Config, K>
}
