import { toLitestreamError } from '../../errors.js'
import { formatTxid } from '../../ltx/txid.js'
import type { DatabaseImage } from '../../primary/sync/database-image.js'
import { monotonicMs } from '../../util/monotonic.js'
import { startInterval, type Timer } from '../../util/timers.js'
import type { Daemon } from './daemon.js'
import type { ManagedDatabase } from './managed-database.js'
import { proveRestore } from './restore-proof.js'

export interface RestoreProofSchedule {
  /** Interval in milliseconds between two proofs of one database. */
  readonly interval: number
  /**
   * Directory for the scratch files. If `directory` is undefined, each database uses its state
   * folder.
   */
  readonly directory?: string | undefined
}

/** Longest interval in milliseconds between two checks which databases need a proof. */
const MAX_CHECK_MS = 60_000
const MIN_CHECK_MS = 100
/**
 * Maximum size in bytes of a database that a proof compares with the primary. While the primary
 * calculates the checksums of a database, the syncs of the database wait.
 */
const MAX_COMPARED = 2 ** 30
/** Milliseconds to wait until the TXID that the proof compares is uploaded. */
const UPLOAD_MS = 60_000

/**
 * Proves on a schedule that each database can be restored. A proof restores the replica to a
 * scratch file and checks the restored database. The proofs of several databases run one after
 * another, to limit the use of disk, memory and processor.
 */
export class RestoreProofs {
  readonly #daemon: Daemon
  readonly #schedule: RestoreProofSchedule
  readonly #timer: Timer
  readonly #stop = new AbortController()
  /**
   * For each database, the time of the latest successful or failed proof, from `monotonicMs()`. The
   * first proof of a new database starts after one interval.
   */
  readonly #triedAt = new Map<string, number>()
  #running: Promise<void> | undefined

  constructor(daemon: Daemon, schedule: RestoreProofSchedule) {
    this.#daemon = daemon
    this.#schedule = schedule
    const check = Math.min(MAX_CHECK_MS, Math.max(MIN_CHECK_MS, schedule.interval / 10))
    this.#timer = startInterval(check, () => {
      this.#running ??= this.#runDue().finally(() => {
        this.#running = undefined
      })
    })
  }

  /** Interrupts a running proof. Resolves when the scratch file of the proof is deleted. */
  async close(): Promise<void> {
    this.#timer.stop()
    this.#stop.abort()
    await this.#running
  }

  async #runDue(): Promise<void> {
    const { databases } = this.#daemon
    const known = new Set(databases.map(({ path }) => path))
    for (const path of this.#triedAt.keys()) if (!known.has(path)) this.#triedAt.delete(path)
    for (const database of databases) {
      if (this.#stop.signal.aborted) return
      if (this.#isDue(database)) await this.#prove(database)
    }
  }

  #isDue({ path, state }: ManagedDatabase): boolean {
    const now = monotonicMs()
    const triedAt = this.#triedAt.get(path)
    if (triedAt === undefined) this.#triedAt.set(path, now)
    return state === 'replicating' && triedAt !== undefined && now - triedAt >= this.#schedule.interval
  }

  /**
   * Returns the checksums of the primary's pages at a TXID that the replica contains. Returns
   * undefined if the primary cannot compute the checksums. Without checksums, the proof is only a
   * restore and an integrity check.
   */
  async #imageOf(database: ManagedDatabase): Promise<DatabaseImage | undefined> {
    const image = await database.image(MAX_COMPARED)
    if (image) await database.sync({ wait: true, timeout: UPLOAD_MS, signal: this.#stop.signal })
    return image
  }

  async #prove(database: ManagedDatabase): Promise<void> {
    const { signal } = this.#stop
    const { path, config } = database
    if ((database.summary().replicaTxid ?? 0) === 0) return
    const logger = this.#daemon.logger.child({ db: path })
    try {
      const { directory } = this.#schedule
      const image = await this.#imageOf(database)
      const { replicaTxid = 0, databaseSize } = database.summary()
      const proof = await proveRestore(config, { directory, replicaTxid, size: databaseSize, image, signal })
      const { txid, size, durationMs, integrity, compared } = proof
      database.proved({ txid, at: Date.now(), durationMs, compared })
      const fields = { txid: formatTxid(txid), bytes: size, durationMs: Math.round(durationMs), compared }
      logger.info(fields, 'scheduled restore succeeded')
      if (integrity && integrity.outcome !== 'ok') {
        logger.warn(
          { integrity: integrity.outcome, messages: integrity.messages.slice(0, 3) },
          'scheduled restore succeeded with a warning',
        )
      }
    } catch (cause) {
      if (signal.aborted) return
      const error = toLitestreamError(cause)
      database.notProved(error)
      logger.error({ error: error.message, code: error.code, hint: error.hint }, 'the replica cannot be restored')
    } finally {
      this.#triedAt.set(path, monotonicMs())
    }
  }
}
