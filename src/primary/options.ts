import { type CompactionSettings, DEFAULT_COMPACTION_SETTINGS } from '../compaction/settings.js'
import { DEFAULT_LEASE_TTL } from '../levels/lease-ttl.js'
import { MAX_COMPACTION_LEVEL } from '../ltx/format.js'
import { DRIVER_NAMES, type DriverChoice } from '../sqlite/connection.js'
import type { Resolved } from '../util/check-arguments.js'
import * as check from '../util/check-arguments.js'
import type { Duration } from '../util/duration.js'
import { DEFAULT_PRIMARY_OPTIONS, type PrimaryOptions, type SyncSettings } from './sync-options.js'
import { ON_DIVERGENCE, type OnDivergence } from './upload/on-divergence.js'

/** The settings of one replication as a program gives them; the defaults are Litestream's. */
export interface ReplicationSettings extends SyncSettings {
  /** Interval between two checks of the WAL; default 1 s. */
  readonly monitorInterval?: Duration
  /** Minimum time between two uploads; default 1 s. */
  readonly syncInterval?: Duration
  /** Maximum number of L0 files per upload; 0: no limit. Default 256. */
  readonly maxSyncLtxFiles?: number
  /** How long `close` tries to upload the last commits; 0: one attempt. Default 30 s. */
  readonly shutdownSyncTimeout?: Duration
  /** Interval between these attempts; default 500 ms. */
  readonly shutdownSyncInterval?: Duration
  /**
   * Write only while this primary holds the lease of the replica, and wait for the lease otherwise.
   * Default false.
   */
  readonly lease?: boolean
  /** How long a lease is valid without renewal, at least 1 s; default 30 s. */
  readonly leaseTtl?: Duration
  /**
   * Interval between two checks that the replica still has the uploaded files (a listing, and one
   * small object). Default: at most one minute, and less if compaction runs more often than every
   * 30 seconds.
   */
  readonly replicaCheckInterval?: Duration
  /** A missing database file is not reported as an error. Default false. */
  readonly allowMissing?: boolean
  /**
   * What to do with a database that does not continue the newest state of its replica. `continue`
   * (default): report the divergence, keep the state before it for `compaction.divergedRetention`,
   * and replicate; `refuse`: upload nothing until the divergence is acknowledged; `restore`:
   * replace the database by the newest state of the replica, and keep it as a file beside it.
   */
  readonly onDivergence?: OnDivergence
  /** Levels, snapshots and retention; false: only L0 files are written, and nothing is deleted. */
  readonly compaction?: CompactionOptions | false
}

/** Compaction and retention of a replication; a setting that is omitted has its default. */
export interface CompactionOptions {
  /** The levels, from 1 on, and how often each is written; default 30 s, 5 m and 1 h. */
  readonly levels?: readonly { readonly level: number; readonly interval: Duration }[]
  /** How often snapshots are written, and how long they are kept; default 24 h and 24 h. */
  readonly snapshot?: { readonly interval: Duration; readonly retention: Duration }
  /** How long L0 files are kept after their compaction; 0: forever. Default 5 m. */
  readonly l0Retention?: Duration
  /** How often old L0 files are deleted; default 15 s. */
  readonly l0RetentionCheckInterval?: Duration
  /** False: no file is ever deleted. Default true. */
  readonly retentionEnabled?: boolean
  /** How long the state before a divergence stays; default 30 days. */
  readonly divergedRetention?: Duration
  /** After each compaction, list the level and check for gaps. Default false. */
  readonly verifyCompaction?: boolean
  /** Interval at which all levels are checked for gaps and overlaps; default: never. */
  readonly validationInterval?: Duration
}

/** The settings of one replication in milliseconds and bytes, complete. */
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
  driver: (value) => (isDriverChoice(value) ? undefined : `${DRIVER_NAMES.join(' or ')}, or the class of one of them`),
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
 * Returns the settings of a replication in milliseconds and bytes; the settings that `options`
 * omits are omitted. Throws INVALID_ARGUMENT, naming the option, for a number outside its range, a
 * value of another type and an unknown option.
 */
export function readReplicationSettings(
  options: ReplicationSettings & { driver?: DriverChoice },
  of: string,
): Partial<ReplicatorOptions> {
  const read = check.readOptions(options, CHECKS, of) as Partial<ReplicatorOptions>
  if (!read.compaction) return read
  return { ...read, compaction: { ...DEFAULT_COMPACTION_SETTINGS, ...read.compaction } }
}
