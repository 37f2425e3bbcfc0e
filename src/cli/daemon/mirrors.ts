import { openConfiguredReplica } from '../../config/open-configured-replica.js'
import type { DatabaseConfig, MirrorConfig } from '../../config/types.js'
import { isLitestreamError } from '../../errors.js'
import { formatTxid } from '../../ltx/txid.js'
import type { MirrorResult } from '../../mirror/options.js'
import type { MirrorStatus } from '../../status/document.js'
import type { ProcessEvent } from '../../status/event-streams.js'
import { ForwardingClient } from '../../storage/forwarding-client.js'
import type { StoreOutage } from '../../storage/outage.js'
import type { ReplicaClient } from '../../storage/replica-client.js'
import { linkAbort } from '../../util/abort.js'
import type { Logger } from '../../util/logger.js'
import { monotonicMs } from '../../util/monotonic.js'
import { logOutage } from './outage-log.js'
import type { PartFaults } from './part-faults.js'
import { type Running, Supervised } from './supervised.js'

/**
 * Milliseconds between two mirror passes while this process uploads no files to the replica. Such
 * mirror passes copy files that another program has written to the replica.
 */
const QUIET_INTERVAL_MS = 5 * 60_000

/**
 * The mirrors of one database in a daemon. A failure of one mirror affects neither the database nor
 * the other mirrors.
 */
export class DatabaseMirrors {
  readonly #mirrors: readonly DatabaseMirror[]

  constructor(database: DatabaseConfig, faults: PartFaults, logger: Logger, publish: (event: ProcessEvent) => void) {
    this.#mirrors = database.mirrors.map((config) => new DatabaseMirror(database, config, faults, logger, publish))
  }

  /** Starts all mirrors, which then run until `stop`. */
  start(): void {
    for (const mirror of this.#mirrors) mirror.start()
  }

  /** Tells the mirrors that the replica has new files. */
  changed(): void {
    for (const mirror of this.#mirrors) mirror.changed()
  }

  async stop(): Promise<void> {
    await Promise.all(this.#mirrors.map((mirror) => mirror.stop()))
  }

  /**
   * Runs one pass of each mirror of the database. Throws the first error after all passes have
   * ended.
   */
  async once(signal: AbortSignal): Promise<void> {
    const passes = await Promise.allSettled(this.#mirrors.map((mirror) => mirror.once(signal)))
    for (const pass of passes) if (pass.status === 'rejected') throw pass.reason
  }

  /** `replicaTxid` is the newest TXID in the replica. */
  status(replicaTxid: number): MirrorStatus[] {
    return this.#mirrors.map((mirror) => mirror.status(replicaTxid))
  }
}

class DatabaseMirror {
  readonly #database: DatabaseConfig
  readonly #config: MirrorConfig
  readonly #faults: PartFaults
  readonly #logger: Logger
  readonly #url: string
  readonly #publish: (event: ProcessEvent) => void
  #supervised: Supervised | undefined
  /** The controller whose signal `stop` aborts. */
  #life = new AbortController()
  #onChange: () => void = () => {}
  #txid: number | undefined
  /** Time from `monotonicMs()` at which the mirror last had every file of the replica. */
  #completeAt = monotonicMs()

  constructor(
    database: DatabaseConfig,
    config: MirrorConfig,
    faults: PartFaults,
    logger: Logger,
    publish: (event: ProcessEvent) => void,
  ) {
    this.#database = database
    this.#config = config
    this.#faults = faults
    this.#publish = publish
    this.#url = String(config.replica.url)
    this.#logger = logger.child({ mirror: this.#url })
  }

  start(): void {
    const part = { part: 'mirror', name: `${this.#database.path} ${this.#url}`, replication: false } as const
    const life = new AbortController()
    this.#life = life
    this.#supervised = new Supervised(part, this.#faults, (onFailed) => this.#follow(life.signal, onFailed))
    void this.#supervised.start()
  }

  changed(): void {
    this.#onChange()
  }

  async stop(): Promise<void> {
    this.#life.abort()
    const supervised = this.#supervised
    this.#supervised = undefined
    await supervised?.close()
  }

  async once(signal: AbortSignal): Promise<void> {
    const { mirror } = await import('../../mirror/mirror.js')
    const { source, destination } = await this.#open(signal)
    try {
      this.#passed(await mirror(source, destination, { ...this.#options(), signal }))
    } finally {
      await Promise.all([source.close(), destination.close()])
    }
  }

  status(replicaTxid: number): MirrorStatus {
    const behind = this.#txid === undefined || this.#txid < replicaTxid
    return { url: this.#url, txid: this.#txid, lagMs: behind ? Math.round(monotonicMs() - this.#completeAt) : 0 }
  }

  /**
   * Opens the replica and the mirror, and starts mirroring. Resolves after the first successful
   * pass, or when `signal` is aborted.
   */
  async #follow(signal: AbortSignal, onFailed: (error: unknown) => void): Promise<Running> {
    const ending = new AbortController()
    const unlink = linkAbort(signal, ending)
    const { followMirror } = await import('../../mirror/mirror.js')
    const { source, destination } = await this.#open(ending.signal)
    let ended: Promise<void> = Promise.resolve()
    const close = async () => {
      ending.abort()
      unlink()
      await ended
      await Promise.all([source.close(), destination.close()])
    }
    const first = new Promise<void>((resolve, reject) => {
      const failed = (error: unknown) => {
        if (ending.signal.aborted) return
        reject(error)
        onFailed(error)
      }
      ended = followMirror(this.#withChanges(source), destination, {
        ...this.#options(),
        signal: ending.signal,
        interval: Math.max(QUIET_INTERVAL_MS, this.#config.interval),
        minInterval: this.#config.interval,
        onPass: (result) => {
          this.#passed(result)
          resolve()
        },
        // REPLICA_EMPTY means that the database was not uploaded yet. If the replica has lost its
        // files, the database reports that fault itself.
        onError: (error) => {
          if (!isLitestreamError(error, 'REPLICA_EMPTY')) failed(error)
        },
      })
        .catch(failed)
        .finally(resolve)
    })
    try {
      await first
    } catch (error) {
      await close()
      throw error
    }
    return { close }
  }

  /**
   * Returns a replica client whose `watch` method reports the files that this process uploads, so
   * that the mirror need not poll the store.
   */
  #withChanges(source: ReplicaClient): ReplicaClient {
    return new WatchedClient(source, (onChange) => {
      this.#onChange = onChange
    })
  }

  async #open(signal: AbortSignal): Promise<{ readonly source: ReplicaClient; readonly destination: ReplicaClient }> {
    const onOutage = (outage: StoreOutage) => logOutage(this.#logger, outage)
    const source = await openConfiguredReplica(this.#database, signal, onOutage)
    try {
      const destination = await openConfiguredReplica(
        { ...this.#database, replica: this.#config.replica },
        signal,
        onOutage,
      )
      return { source, destination }
    } catch (error) {
      await source.close()
      throw error
    }
  }

  #options() {
    const { retention, limit } = this.#config
    return { retention, bytesPerSecond: limit }
  }

  #passed({ txid, sourceTxid, copied, deleted, bytes, damaged }: MirrorResult): void {
    this.#txid = txid
    if (txid === sourceTxid) this.#completeAt = monotonicMs()
    const fields = { txid: formatTxid(txid), copied: copied.length, deleted: deleted.length, bytes }
    this.#logger.info(fields, 'replica mirrored')
    this.#publish({
      event: 'mirror',
      path: this.#database.path,
      mirror: this.#url,
      txid: formatTxid(txid),
      source_txid: formatTxid(sourceTxid),
      copied: copied.length,
      deleted: deleted.length,
      damaged: damaged.length,
      bytes,
    })
    for (const { error } of damaged) {
      this.#logger.warn({ error: error.message, hint: error.hint }, 'damaged file not mirrored')
    }
  }
}

/**
 * A replica client whose `watch` method calls `start`. The creator of the WatchedClient reports the
 * changes to it.
 */
class WatchedClient extends ForwardingClient {
  readonly #start: (onChange: () => void) => void

  constructor(inner: ReplicaClient, start: (onChange: () => void) => void) {
    super(inner)
    this.#start = start
  }

  override get watch(): ReplicaClient['watch'] {
    return async (onChange) => this.#start(onChange)
  }
}
