import { type CompactionSettings, DEFAULT_COMPACTION_SETTINGS } from '../compaction/settings.js'
import { DEFAULT_LEASE_TTL } from '../levels/lease-ttl.js'
import { MAX_COMPACTION_LEVEL } from '../ltx/format.js'
import { DRIVER_NAMES, type DriverChoice } from '../sqlite/connection.js'
import type { Resolved } from '../util/check-arguments.js'
import * as check from '../util/check-arguments.js'
import type { Duration } from '../util/duration.js'
import { DEFAULT_PRIMARY_OPTIONS, type PrimaryOptions, type SyncSettings } from './sync-options.js'
import { ON_DIVERGENCE, type OnDivergence } from './upload/on-divergence.js'

/** The settings of replicating one database. The defaults are the same as in Litestream. */
export interface ReplicationSettings extends SyncSettings {
  /** Interval between two checks of the WAL. Default 1 s. */
  readonly monitorInterval?: Duration
  /** Minimum time between two uploads. Default 1 s. */
  readonly syncInterval?: Duration
  /** Maximum number of L0 files per upload. 0: no limit. Default 256. */
  readonly maxSyncLtxFiles?: number
  /**
   * Time for which `close` repeats a failing upload of the last commits. If `shutdownSyncTimeout`
   * is 0, `close` tries the upload of the last commits only once. Default 30 s.
   */
  readonly shutdownSyncTimeout?: Duration
  /** Time until `close` repeats a failed upload. Default 500 ms. */
  readonly shutdownSyncInterval?: Duration
  /**
   * If `lease` is true, the primary waits for the lease of the replica and writes to the replica
   * only while it holds the lease. Default false.
   */
  readonly lease?: boolean
  /** Time for which a lease is valid without renewal, at least 1 s. Default 30 s. */
  readonly leaseTtl?: Duration
  /**
   * Interval between two checks whether the replica still has the uploaded files. A check lists the
   * replica and reads one small object. The default interval of the check is one minute, or less if
   * compaction runs more often than every 30 seconds.
   */
  readonly replicaCheckInterval?: Duration
  /**
   * If `allowMissing` is true, the primary does not report a missing database file as an error.
   * Default false.
   */
  readonly allowMissing?: boolean
  /**
   * What the primary does if the database diverged from its replica. `continue` reports the
   * divergence and replicates the database. With `continue`, retention keeps the files from before
   * the divergence for `compaction.divergedRetention`. `refuse` uploads nothing until a user
   * acknowledges the divergence. `restore` restores the database from the replica, and keeps the
   * diverged database as another file in the same folder. Default `continue`.
   */
  readonly onDivergence?: OnDivergence
  /**
   * Settings of levels, snapshots and retention. If `compaction` is false, the primary writes only
   * L0 files and deletes no files.
   */
  readonly compaction?: CompactionOptions | false
}

/**
 * Settings of the compaction and retention of a replica. Each omitted setting has its default
 * value.
 */
export interface CompactionOptions {
  /**
   * The levels that compaction writes, starting at level 1, and the interval of each level. Default
   * 30 s, 5 m and 1 h.
   */
  readonly levels?: readonly { readonly level: number; readonly interval: Duration }[]
  /**
   * Interval between two snapshots, and minimum age of a snapshot before retention deletes it.
   * Default 24 h for both.
   */
  readonly snapshot?: { readonly interval: Duration; readonly retention: Duration }
  /**
   * Minimum age of a compacted L0 file before retention deletes it. If `l0Retention` is 0, L0 files
   * are kept forever. Default 5 m.
   */
  readonly l0Retention?: Duration
  /** Interval at which retention deletes old L0 files. Default 15 s. */
  readonly l0RetentionCheckInterval?: Duration
  /** Whether retention deletes files. Default true. */
  readonly retentionEnabled?: boolean
  /** How long retention keeps the replica's files from before a divergence. Default 30 days. */
  readonly divergedRetention?: Duration
  /**
   * Whether each compaction lists the level to which it wrote and checks this level for gaps.
   * Default false.
   */
  readonly verifyCompaction?: boolean
  /** Interval between checks of all levels for gaps and overlaps. Default: no such checks. */
  readonly validationInterval?: Duration
}

/** The complete settings of replicating one database, in milliseconds and bytes. */
export interface ReplicatorOptions
  extends PrimaryOptions,
    Required<Omit<Resolved<ReplicationSettings>, keyof SyncSettings | 'replicaCheckInterval' | 'compaction'>> {
  readonly replicaCheckInterval: number | undefined
  readonly compaction: CompactionSettings | false
}

export const DEFAULT_REPLICATOR_OPTIONS: Omit<ReplicatorOptions, 'metaPath'> = Object.freeze({
  ...DEFAULT_PRIMARY_OPTIONS,
  monitorInterval: 1000,
  syncInterval: 1000,
  maxSyncLtxFiles: 256,
  shutdownSyncTimeout: 30_000,
  shutdownSyncInterval: 500,
  lease: false,
  leaseTtl: DEFAULT_LEASE_TTL,
  replicaCheckInterval: undefined,
  allowMissing: false,
  onDivergence: 'continue',
  compaction: DEFAULT_COMPACTION_SETTINGS,
})

/** SQLite stores page counts and milliseconds in 31 bits. */
const MOST_OF_SQLITE = 2 ** 31 - 1

function isDriverChoice(value: unknown): boolean {
  return (
    DRIVER_NAMES.some((name) => name === value) || typeof (value as { module?: unknown } | null)?.module === 'string'
  )
}

const LEVEL_CHECKS = { level: check.integerFrom(1, MAX_COMPACTION_LEVEL), interval: check.finiteDuration(1) }
const SNAPSHOT_CHECKS = { interval: check.finiteDuration(1), retention: check.duration() }
const COMPACTION_CHECKS: check.OptionChecks<CompactionOptions> = {
  levels: check.listOf('compaction.levels', LEVEL_CHECKS),
  snapshot: check.group('compaction.snapshot', SNAPSHOT_CHECKS),
  l0Retention: check.duration(),
  l0RetentionCheckInterval: check.finiteDuration(1),
  retentionEnabled: check.flag,
  divergedRetention: check.duration(),
  verifyCompaction: check.flag,
  validationInterval: check.finiteDuration(1),
}

const CHECKS: check.OptionChecks<ReplicationSettings & { driver?: DriverChoice }> = {
  driver: (value) =>
    isDriverChoice(value) ? undefined : `${DRIVER_NAMES.join(' or ')}, or the class of one of these drivers`,
  metaPath: check.text,
  busyTimeout: check.duration(0, MOST_OF_SQLITE, true),
  minCheckpointPages: check.integerFrom(1, MOST_OF_SQLITE),
  checkpointInterval: check.finiteDuration(),
  truncatePages: check.integerFrom(0, MOST_OF_SQLITE),
  maxSyncWalBytes: check.byteSize(),
  monitorInterval: check.finiteDuration(1),
  syncInterval: check.finiteDuration(),
  maxSyncLtxFiles: check.integerFrom(0),
  shutdownSyncTimeout: check.finiteDuration(),
  shutdownSyncInterval: check.finiteDuration(1),
  lease: check.flag,
  leaseTtl: check.finiteDuration(1000),
  replicaCheckInterval: check.finiteDuration(1),
  allowMissing: check.flag,
  onDivergence: check.oneOf(...ON_DIVERGENCE),
  compaction: check.either(false, check.group('compaction', COMPACTION_CHECKS)),
}

/**
 * Returns the settings of `options` in milliseconds and bytes. Settings that `options` omits are
 * absent from the result. Throws INVALID_ARGUMENT with the name of the option for a number outside
 * its range, a value of another type, or an unknown option.
 */
export function readReplicationSettings(
  options: ReplicationSettings & { driver?: DriverChoice },
  of: string,
): Partial<ReplicatorOptions> {
  const read = check.readOptions(options, CHECKS, of) as Partial<ReplicatorOptions>
  if (!read.compaction) return read
  return { ...read, compaction: { ...DEFAULT_COMPACTION_SETTINGS, ...read.compaction } }
}
