import type { Config } from '../../config/types.js'
import { toLitestreamError } from '../../errors.js'
import { formatTxid } from '../../ltx/txid.js'
import { noOtherCode } from '../../primary/source/sqlite-copies.js'
import type { LogFields, Logger } from '../../util/logger.js'
import { orAborted } from '../../util/or-aborted.js'
import { timeoutSignal } from '../../util/timers.js'
import { abortOnSignals } from '../signals.js'
import { Daemon } from './daemon.js'
import { DirectoryKeeper } from './directory-keeper.js'
import type { ManagedDatabase } from './managed-database.js'

export interface OnceFlags {
  readonly forceSnapshot?: boolean
  readonly enforceRetention?: boolean
}

/** Time limit in milliseconds for closing a database whose sync has failed. */
const RELEASE_MS = 5_000

/**
 * Syncs and uploads every database once. Returns exit status 1 if a database failed, or if a
 * configured file or folder could not be read. The log contains an error for each database, file or
 * folder that failed. A signal ends the run early.
 */
export function replicateOnceAll(config: Config, given: Logger, flags: OnceFlags): Promise<number> {
  noOtherCode()
  // With `logging.source`, the logger is not wrapped, because each log line would then show the
  // source line of the wrapper.
  const logger = config.logging.source ? given : withoutRepeats(given)
  const daemon = new Daemon(config, logger)
  return abortOnSignals(async (signal) => {
    const run = new OnceRun(daemon, flags, signal)
    const failed = await run.run()
    if (failed.length === 0) return 0
    // The log already contains an error for each failed database. If the configuration has only one
    // database, the warning would only repeat that database's error.
    if (config.databases.length !== 1 || config.directories.length > 0) {
      logger.warn({ databases: failed }, 'some databases were not replicated')
    }
    return 1
  })
}

/**
 * Wraps a logger so that it logs the same error of a database only once. Without the wrapper, the
 * upload, the sync and the closing of a database would each log the same error. `bound` contains
 * the fields that are added to every log line.
 */
function withoutRepeats(logger: Logger, bound: LogFields = {}, seen: Set<string> = new Set()): Logger {
  const unlessSeen = (level: 'error' | 'warn'): Logger['error'] => {
    return (...args) => {
      const [fields, message] = args.length === 1 ? [{}, args[0]] : args
      const { db, error } = { ...bound, ...fields } as LogFields
      const key = JSON.stringify([db, error])
      if (error !== undefined && seen.has(key)) return
      if (level === 'error') seen.add(key)
      logger[level](fields, message)
    }
  }
  return {
    ...logger,
    error: unlessSeen('error'),
    warn: unlessSeen('warn'),
    child: (fields) => withoutRepeats(logger.child(fields), { ...bound, ...fields }, seen),
  }
}

class OnceRun {
  readonly #daemon: Daemon
  readonly #flags: OnceFlags
  readonly #signal: AbortSignal
  readonly #failed = new Set<string>()

  constructor(daemon: Daemon, flags: OnceFlags, signal: AbortSignal) {
    this.#daemon = daemon
    this.#flags = flags
    this.#signal = signal
  }

  /** Syncs every database, and returns the paths of the databases that were not replicated. */
  async run(): Promise<string[]> {
    const daemon = this.#daemon
    const { databases, directories } = daemon.config
    try {
      await orAborted(this.#open(), this.#signal)
      for (const database of daemon.databases) {
        this.#signal.throwIfAborted()
        if (!this.#failed.has(database.path)) await this.#sync(database)
      }
    } catch (error) {
      if (!this.#signal.aborted) throw error
      for (const { path } of [...databases, ...daemon.databases]) this.#failed.add(path)
      for (const { dir } of directories) this.#failed.add(dir)
      daemon.logger.error({ error: (error as Error).message, databases: [...this.#failed] }, 'interrupted')
    }
    for (const path of await daemon.close(this.#signal.aborted ? this.#signal : undefined)) this.#failed.add(path)
    return [...this.#failed]
  }

  async #open(): Promise<void> {
    const daemon = this.#daemon
    const options = { monitor: false }
    const directories = daemon.config.directories.map((directory) => new DirectoryKeeper(daemon, directory, options))
    const [errors] = await Promise.all([daemon.open(options), ...directories.map((directory) => directory.start())])
    for (const directory of directories) await directory.close()
    for (const [path, error] of errors) await this.#fail(daemon.get(path), error)
  }

  async #sync(database: ManagedDatabase): Promise<void> {
    const { path } = database
    const { forceSnapshot = false, enforceRetention = false } = this.#flags
    try {
      const { txid, replicaTxid } = await database.sync({ wait: true, signal: this.#signal })
      this.#daemon.logger.info(
        { db: path, txid: formatTxid(txid), replicaTxid: formatTxid(replicaTxid ?? 0) },
        'database synced',
      )
      await database.maintain({ snapshot: forceSnapshot, retention: enforceRetention })
      await database.mirrorOnce(this.#signal)
    } catch (error) {
      await this.#fail(database, error)
    }
  }

  /**
   * Logs `error`, and closes the database without a final sync. A final sync would only fail after
   * half a minute.
   */
  async #fail(database: ManagedDatabase, error: unknown): Promise<void> {
    const { path } = database
    const { message, code, hint } = toLitestreamError(error)
    this.#failed.add(path)
    this.#daemon.logger.error({ db: path, error: message, code, hint }, 'sync failed')
    try {
      await database.stop(timeoutSignal(RELEASE_MS), { sync: false })
    } catch (cause) {
      this.#daemon.logger.warn({ db: path, error: (cause as Error).message }, 'cannot release the database')
    }
  }
}
