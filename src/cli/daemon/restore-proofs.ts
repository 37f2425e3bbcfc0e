import { toLitestreamError } from '../../errors.js'
import { formatTxid } from '../../ltx/txid.js'
import type { DatabaseImage } from '../../primary/sync/database-image.js'
import { monotonicMs } from '../../util/monotonic.js'
import { startInterval, type Timer } from '../../util/timers.js'
import type { Daemon } from './daemon.js'
import type { ManagedDatabase } from './managed-database.js'
import { proveRestore } from './restore-proof.js'

export interface RestoreProofSchedule {
  /** Milliseconds between two proofs of one database. */
  readonly interval: number
  /** Directory for scratch files; undefined: the state folder of each database. */
  readonly directory?: string | undefined
}

/** Longest interval between two checks for databases that are due, in milliseconds. */
const MAX_CHECK_MS = 60_000
const MIN_CHECK_MS = 100
/** Larger databases are not compared with the primary, whose syncs wait meanwhile. Bytes. */
const MAX_COMPARED = 2 ** 30
/** Longest wait for the upload of the state that was compared. Milliseconds. */
const UPLOAD_MS = 60_000

/**
 * Proves on a schedule that each database can be restored: restores its replica to a scratch file
 * and checks the result. One database at a time, so that disk, memory and processor are bounded.
 */
export class RestoreProofs {
  readonly #daemon: Daemon
  readonly #schedule: RestoreProofSchedule
  readonly #timer: Timer
  readonly #stop = new AbortController()
  /**
   * When each database was last proved or tried, by the monotonic clock; a new one is due after an
   * interval.
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

  /** Interrupts a running proof, and resolves when its scratch file is deleted. */
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
   * The primary's own state at a TXID that is also in the replica. Undefined if it cannot be
   * determined; the proof then consists of the restore alone.
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
      logger.info(fields, 'restore proved')
      if (integrity && integrity.outcome !== 'ok') {
        logger.warn(
          { integrity: integrity.outcome, messages: integrity.messages.slice(0, 3) },
          'restore proved with a warning',
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
