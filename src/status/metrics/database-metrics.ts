import path from 'node:path'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { type LitestreamError, toLitestreamError } from '../../errors.js'
import { LEVELS } from '../../ltx/format.js'
import type { PrimaryEvents } from '../../primary/events.js'
import type { LtxFileInfo, Operation, OperationStats, ReplicaClient } from '../../storage/replica-client.js'
import type { MirrorStatus, ProofStatus } from '../document.js'

const CHECKPOINT_MODES = ['PASSIVE', 'TRUNCATE'] as const
const L0_STATUSES = ['eligible', 'not_compacted', 'too_recent'] as const
/** The value of the label `level` for a scheduled restore. A scheduled restore reads all levels. */
const PROOF_LEVEL = 'restore'
const DURATION_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60]

/** The values of one database's gauges at the moment when a client requests the metrics. */
export interface DatabaseGauges {
  readonly path: string
  readonly databaseSize: number
  readonly walSize: number
  readonly txid: number
  readonly replicaTxid: number | undefined
  readonly lagMs: number
  readonly lastSyncAt: number | undefined
  readonly mirrors: readonly MirrorStatus[]
  /** Whether the database is replicated. databaseVerdict() of verdict.ts determines `ok`. */
  readonly ok: boolean
  readonly missingMs: number | undefined
  readonly divergence: string | undefined
  readonly ownWrites: number
  readonly weakFencing: string | undefined
}

/**
 * The metrics of all primaries of a process. The metrics have Litestream's names and labels, so
 * that Litestream's dashboards work. Some metrics do not exist in Litestream. Events of the
 * primaries increase the counters. A request for the metrics updates the gauges.
 */
export class DatabaseMetrics {
  readonly #databaseSize: Gauge
  readonly #walSize: Gauge
  readonly #txid: Gauge
  readonly #diskFull: Gauge
  readonly #totalWalBytes: Counter
  readonly #syncCount: Counter
  readonly #syncErrors: Counter
  readonly #syncSeconds: Counter
  readonly #checkpointCount: Counter
  readonly #checkpointErrors: Counter
  readonly #checkpointSeconds: Counter
  readonly #verifyErrors: Counter
  readonly #l0Retention: Gauge
  readonly #operations: Counter
  readonly #operationBytes: Counter
  readonly #operationErrors: Counter
  readonly #operationSeconds: Histogram
  readonly #requests: Counter
  readonly #retries: Counter
  readonly #replicaTxid: Gauge
  readonly #lag: Gauge
  readonly #lastSuccess: Gauge
  readonly #files: Gauge
  readonly #bytes: Gauge
  readonly #compactions: Counter
  readonly #compactionSeconds: Histogram
  readonly #compactionErrors: Counter
  readonly #restoreSeconds: Histogram
  readonly #healthy: Gauge
  readonly #validations: Counter
  readonly #validationSuccess: Gauge
  readonly #validationSeconds: Gauge
  readonly #weakFencing: Gauge
  readonly #mirrorTxid: Gauge
  readonly #mirrorLag: Gauge
  readonly #missing: Gauge
  readonly #diverged: Gauge
  readonly #ownWrites: Gauge
  readonly #failingParts: Gauge
  readonly #clients = new Set<ReplicaClient>()
  /** Number of requests and retries of all closed clients, by type and operation. */
  readonly #closed = new Map<string, { readonly requests: number; readonly retries: number }>()

  constructor(registry: Registry) {
    const registers = [registry]
    const gauge = (name: string, help: string, labelNames = ['db']) => new Gauge({ name, help, labelNames, registers })
    const counter = (name: string, help: string, labelNames = ['db']) =>
      new Counter({ name, help, labelNames, registers })
    const histogram = (name: string, help: string, labelNames: string[]) =>
      new Histogram({ name, help, labelNames, registers, buckets: DURATION_BUCKETS })
    const operation = ['replica_type', 'operation']

    this.#databaseSize = gauge('litestream_db_size', 'The current size of the real DB')
    this.#walSize = gauge('litestream_wal_size', 'The current size of the real WAL')
    this.#txid = gauge('litestream_txid', 'The current transaction ID')
    this.#diskFull = gauge('litestream_disk_full', '1 while the disk of the state folder is full')
    this.#totalWalBytes = counter('litestream_total_wal_bytes', 'Total number of bytes written to shadow WAL')
    this.#syncCount = counter('litestream_sync_count', 'Number of sync operations performed')
    this.#syncErrors = counter('litestream_sync_error_count', 'Number of sync errors that have occurred')
    this.#syncSeconds = counter('litestream_sync_seconds', 'Time spent syncing shadow WAL, in seconds')
    this.#checkpointCount = counter('litestream_checkpoint_count', 'Number of checkpoint operations performed', [
      'db',
      'mode',
    ])
    this.#checkpointErrors = counter(
      'litestream_checkpoint_error_count',
      'Number of checkpoint errors that have occurred',
      ['db', 'mode'],
    )
    this.#checkpointSeconds = counter('litestream_checkpoint_seconds', 'Time spent checkpointing WAL, in seconds', [
      'db',
      'mode',
    ])
    this.#verifyErrors = counter(
      'litestream_compaction_verify_error_count',
      'Number of gaps or overlaps found after compaction',
    )
    this.#l0Retention = gauge('litestream_l0_retention_files_total', 'Level 0 files by their retention state', [
      'db',
      'status',
    ])
    this.#operations = counter(
      'litestream_replica_operation_total',
      'The number of replica operations performed',
      operation,
    )
    this.#operationBytes = counter(
      'litestream_replica_operation_bytes',
      'The number of bytes used by replica operations',
      operation,
    )
    this.#operationErrors = counter(
      'litestream_replica_operation_errors_total',
      'The number of replica operations that failed',
      [...operation, 'code'],
    )
    this.#operationSeconds = histogram(
      'litestream_replica_operation_duration_seconds',
      'Duration of replica operations',
      operation,
    )

    this.#requests = counter(
      'litestream_replica_requests_total',
      'Number of requests to the store, including retries',
      operation,
    )
    this.#retries = counter(
      'litestream_replica_retries_total',
      'Number of requests to the store that were retries',
      operation,
    )
    this.#replicaTxid = gauge('litestream_replica_txid', 'The last transaction ID in the replica')
    this.#lag = gauge(
      'litestream_replica_lag_seconds',
      'Age in seconds of the oldest commit that is not in the replica',
    )
    this.#lastSuccess = gauge(
      'litestream_replica_last_success_timestamp_seconds',
      'Unix time at which the replica last had every commit',
    )
    this.#mirrorTxid = gauge('litestream_mirror_txid', 'The last transaction ID in a mirror', ['db', 'mirror'])
    this.#mirrorLag = gauge(
      'litestream_mirror_lag_seconds',
      'Time in seconds for which a mirror has been behind the replica',
      ['db', 'mirror'],
    )
    this.#validations = counter(
      'litestream_validation_total',
      'Number of scheduled restores to a scratch file, by result',
      ['db', 'level', 'result'],
    )
    this.#validationSuccess = gauge(
      'litestream_validation_last_success_timestamp_seconds',
      'Unix time of the last successful restore of the replica to a scratch file',
      ['db', 'level'],
    )
    this.#validationSeconds = gauge(
      'litestream_validation_duration_seconds',
      'Duration of the last scheduled restore in seconds',
      ['db', 'level'],
    )
    this.#weakFencing = gauge(
      'litestream_weak_fencing',
      '1 if the store has no conditional writes, so that a second primary is detected only after its first write',
    )
    this.#healthy = gauge('litestream_db_healthy', '1 if the database is replicated, by the rule of /healthz; 0 if not')
    this.#missing = gauge(
      'litestream_db_missing',
      '1 while the database file is missing, so that the database is not replicated',
    )
    this.#diverged = gauge(
      'litestream_db_diverged',
      '1 while the database does not continue the previous state of its replica and no user has acknowledged the divergence',
    )
    this.#ownWrites = gauge(
      'litestream_db_own_writes',
      'Transactions that replication has written to the database since the database was opened: one to create the _litestream tables, and one per checkpoint',
    )
    this.#failingParts = gauge(
      'litestream_part_failing',
      '1 for each listener, directory, watch or heartbeat that fails',
      ['part', 'name'],
    )
    this.#files = gauge('litestream_replica_files', 'Number of LTX files in the replica', ['db', 'level'])
    this.#bytes = gauge('litestream_replica_bytes', 'Total size in bytes of the LTX files in the replica', [
      'db',
      'level',
    ])
    this.#compactions = counter('litestream_compaction_count', 'Number of compactions and snapshots written', [
      'db',
      'level',
    ])
    this.#compactionSeconds = histogram(
      'litestream_compaction_duration_seconds',
      'Duration of compactions and snapshots in seconds',
      ['db', 'level'],
    )
    this.#compactionErrors = counter(
      'litestream_compaction_error_count',
      'Number of compactions, snapshots and deletions that failed',
    )
    this.#restoreSeconds = histogram('litestream_restore_duration_seconds', 'Duration of restores in seconds', ['db'])
  }

  /**
   * Creates every time series of a database with the value 0, so that Prometheus computes the right
   * rate for the first event.
   */
  add(db: string): void {
    for (const metric of [
      this.#totalWalBytes,
      this.#syncCount,
      this.#syncErrors,
      this.#syncSeconds,
      this.#verifyErrors,
      this.#compactionErrors,
    ]) {
      metric.inc({ db }, 0)
    }
    for (const mode of CHECKPOINT_MODES) {
      for (const metric of [this.#checkpointCount, this.#checkpointErrors, this.#checkpointSeconds])
        metric.inc({ db, mode }, 0)
    }
    this.#diskFull.set({ db }, 0)
  }

  /** Removes every time series of a database that the process no longer replicates. */
  remove(db: string): void {
    const plain = [
      ...[
        this.#databaseSize,
        this.#walSize,
        this.#txid,
        this.#diskFull,
        this.#replicaTxid,
        this.#lag,
        this.#lastSuccess,
      ],
      ...[this.#missing, this.#diverged, this.#ownWrites, this.#weakFencing],
      ...[this.#healthy, this.#totalWalBytes, this.#syncCount, this.#syncErrors, this.#syncSeconds, this.#verifyErrors],
      ...[this.#compactionErrors, this.#restoreSeconds],
    ]
    for (const metric of plain) metric.remove({ db })
    for (const mode of CHECKPOINT_MODES) {
      for (const metric of [this.#checkpointCount, this.#checkpointErrors, this.#checkpointSeconds])
        metric.remove({ db, mode })
    }
    for (const level of LEVELS) {
      for (const metric of [this.#files, this.#bytes, this.#compactions, this.#compactionSeconds])
        metric.remove({ db, level: String(level) })
    }
    for (const metric of [this.#validationSuccess, this.#validationSeconds]) metric.remove({ db, level: PROOF_LEVEL })
    for (const result of ['ok', 'error']) this.#validations.remove({ db, level: PROOF_LEVEL, result })
    for (const status of L0_STATUSES) this.#l0Retention.remove({ db: path.basename(db), status })
  }

  observe<Name extends keyof PrimaryEvents>(name: Name, event: PrimaryEvents[Name]): void {
    const { db } = event
    if (name === 'sync') {
      const { walBytes, durationMs } = event as PrimaryEvents['sync']
      this.#syncCount.inc({ db })
      this.#totalWalBytes.inc({ db }, walBytes)
      this.#syncSeconds.inc({ db }, durationMs / 1000)
      this.#diskFull.set({ db }, 0)
    } else if (name === 'checkpoint') {
      const { mode, durationMs } = event as PrimaryEvents['checkpoint']
      this.#checkpointCount.inc({ db, mode })
      this.#checkpointSeconds.inc({ db, mode }, durationMs / 1000)
    } else if (name === 'compaction') {
      const { level, durationMs } = event as PrimaryEvents['compaction']
      this.#compactions.inc({ db, level })
      this.#compactionSeconds.observe({ db, level }, durationMs / 1000)
    } else if (name === 'error') {
      const { operation, error } = event as PrimaryEvents['error']
      if (operation === 'compaction') this.#verifyErrorOrFailure(db, error)
      else if (operation === 'checkpoint') this.#checkpointErrors.inc({ db, mode: 'PASSIVE' })
      else this.#syncErrors.inc({ db })
      if (error.code === 'DISK_FULL') this.#diskFull.set({ db }, 1)
    }
  }

  /**
   * Counts a gap or an overlap that the check after a compaction has found. Litestream's metric
   * contains this count. Counts any error other than a gap or an overlap as a failure.
   */
  #verifyErrorOrFailure(db: string, error: LitestreamError): void {
    if (error.code === 'LTX_GAP') this.#verifyErrors.inc({ db })
    else this.#compactionErrors.inc({ db })
  }

  /** Counts a scheduled restore that succeeded, or that failed with an error. */
  proved(db: string, result: ProofStatus | LitestreamError): void {
    const labels = { db, level: PROOF_LEVEL }
    const ok = !(result instanceof Error)
    this.#validations.inc({ ...labels, result: ok ? 'ok' : 'error' })
    if (!ok) return
    this.#validationSuccess.set(labels, result.at / 1000)
    this.#validationSeconds.set(labels, result.durationMs / 1000)
  }

  restored(db: string, seconds: number): void {
    this.#restoreSeconds.observe({ db }, seconds)
  }

  operation(type: string, operation: Operation, seconds: number, bytes: number, error?: unknown): void {
    const labels = { replica_type: type, operation }
    this.#operations.inc(labels)
    this.#operationSeconds.observe(labels, seconds)
    if (bytes > 0) this.#operationBytes.inc(labels, bytes)
    if (error !== undefined) {
      this.#operationErrors.inc({ ...labels, code: toLitestreamError(error).code })
    }
  }

  watchClient(client: ReplicaClient): void {
    this.#clients.add(client)
  }

  /** Removes a closed client from the metrics. The totals keep the counts of the removed client. */
  forgetClient(client: ReplicaClient): void {
    if (!this.#clients.delete(client)) return
    for (const [operation, { requests, retries }] of Object.entries(client.stats())) {
      const key = `${client.type} ${operation}`
      const before = this.#closed.get(key) ?? { requests: 0, retries: 0 }
      this.#closed.set(key, { requests: before.requests + requests, retries: before.retries + retries })
    }
  }

  /** Updates the gauges. The caller must call `collect` before it prints the registry. */
  collect(
    databases: readonly DatabaseGauges[],
    parts: readonly { readonly part: string; readonly name: string }[],
  ): void {
    this.#failingParts.reset()
    this.#mirrorTxid.reset()
    this.#mirrorLag.reset()
    for (const { part, name } of parts) this.#failingParts.set({ part, name }, 1)
    for (const database of databases) {
      const db = database.path
      this.#databaseSize.set({ db }, database.databaseSize)
      this.#walSize.set({ db }, database.walSize)
      this.#txid.set({ db }, database.txid)
      this.#replicaTxid.set({ db }, database.replicaTxid ?? 0)
      this.#lag.set({ db }, database.lagMs / 1000)
      this.#healthy.set({ db }, database.ok ? 1 : 0)
      this.#weakFencing.set({ db }, database.weakFencing === undefined ? 0 : 1)
      for (const { url, txid, lagMs } of database.mirrors) {
        this.#mirrorTxid.set({ db, mirror: url }, txid ?? 0)
        this.#mirrorLag.set({ db, mirror: url }, lagMs / 1000)
      }
      this.#missing.set({ db }, database.missingMs === undefined ? 0 : 1)
      this.#diverged.set({ db }, database.divergence === undefined ? 0 : 1)
      this.#ownWrites.set({ db }, database.ownWrites)
      if (database.lastSyncAt !== undefined) this.#lastSuccess.set({ db }, database.lastSyncAt / 1000)
    }
    this.#requests.reset()
    this.#retries.reset()
    for (const [key, { requests, retries }] of this.#closed) {
      const [replica_type = '', operation = ''] = key.split(' ')
      this.#requests.inc({ replica_type, operation }, requests)
      this.#retries.inc({ replica_type, operation }, retries)
    }
    for (const client of this.#clients) {
      for (const [operation, stats] of Object.entries(client.stats()) as [Operation, OperationStats][]) {
        this.#requests.inc({ replica_type: client.type, operation }, stats.requests)
        this.#retries.inc({ replica_type: client.type, operation }, stats.retries)
      }
    }
  }

  /**
   * From a listing of the replica, updates the gauges for the files and bytes of each level, and
   * for the retention state of L0 files.
   */
  setLevels(db: string, levels: readonly (readonly LtxFileInfo[])[], l0Retention: number): void {
    for (const [level, files] of levels.entries()) {
      this.#files.set({ db, level }, files.length)
      this.#bytes.set(
        { db, level },
        files.reduce((sum, { size }) => sum + size, 0),
      )
    }
    const compacted = levels[1]?.at(-1)?.maxTxid ?? 0
    const counts = { eligible: 0, not_compacted: 0, too_recent: 0 }
    for (const { maxTxid, createdAt } of levels[0] ?? []) {
      if (maxTxid > compacted) counts.not_compacted++
      else if (createdAt >= Date.now() - l0Retention) counts.too_recent++
      else counts.eligible++
    }
    // For this gauge only, Litestream uses the file name of the database as the label instead of
    // the path.
    for (const [status, count] of Object.entries(counts))
      this.#l0Retention.set({ db: path.basename(db), status }, count)
  }
}
