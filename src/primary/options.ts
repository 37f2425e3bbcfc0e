import { type CompactionSettings, DEFAULT_COMPACTION_SETTINGS } from '../compaction/scheduler.js'

import { LitestreamError } from '../errors.js'
import { DEFAULT_LEASE_TTL } from '../levels/lease-ttl.js'
import { DRIVER_NAMES } from '../sqlite/connection.js'
import { anything, checkOptions, flag, type OptionChecks, object, oneOf, text } from '../util/check-arguments.js'
import { DEFAULT_PRIMARY_OPTIONS, type PrimaryOptions } from './sync-options.js'
import { ON_DIVERGENCE, type OnDivergence } from './upload/on-divergence.js'

/** The settings of one replication; the defaults are Litestream's. */
export interface ReplicatorOptions extends PrimaryOptions {
  /** Interval between two checks of the WAL, in milliseconds. */
  readonly monitorInterval: number
  /** Minimum time between two uploads, in milliseconds. */
  readonly syncInterval: number
  /** Maximum number of L0 files per upload; 0: no limit. */
  readonly maxSyncLtxFiles: number
  /** How long `close` tries to upload the last commits, in milliseconds; 0: one attempt. */
  readonly shutdownSyncTimeout: number
  /** Interval between these attempts, in milliseconds. */
  readonly shutdownSyncInterval: number
  /**
   * Write only while this primary holds the lease of the replica, and wait for the lease otherwise.
   */
  readonly lease: boolean
  /** How long a lease is valid without renewal, in milliseconds. */
  readonly leaseTtl: number
  /**
   * Interval between two checks that the replica still has the uploaded files (a listing, and one
   * small object), in milliseconds. Default: at most one minute, and less if compaction runs more
   * often than every 30 seconds.
   */
  readonly replicaCheckInterval: number | undefined
  /** A database file that does not exist yet is in order: it is not reported. */
  readonly allowMissing: boolean
  /**
   * What to do with a database that does not continue the newest state of its replica. `continue`:
   * report it, keep the state before it for `compaction.divergedRetention`, and replicate;
   * `refuse`: upload nothing until it is acknowledged; `restore`: replace the database by the
   * newest state of the replica, and keep it as a file beside it.
   */
  readonly onDivergence: OnDivergence
  /** Levels, snapshots and retention; false: only L0 files are written, and nothing is deleted. */
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

interface Range {
  readonly least: number
  readonly most?: number
  readonly whole?: boolean
}

/** The ranges of numeric options. */
const RANGES: Readonly<Partial<Record<keyof ReplicatorOptions, Range>>> = {
  monitorInterval: { least: 1 },
  syncInterval: { least: 0 },
  maxSyncLtxFiles: { least: 0, whole: true },
  shutdownSyncTimeout: { least: 0 },
  shutdownSyncInterval: { least: 1 },
  leaseTtl: { least: 1000 },
  replicaCheckInterval: { least: 1 },
  busyTimeout: { least: 0, most: MOST_OF_SQLITE, whole: true },
  minCheckpointPages: { least: 1, most: MOST_OF_SQLITE, whole: true },
  checkpointInterval: { least: 0 },
  truncatePages: { least: 0, most: MOST_OF_SQLITE, whole: true },
  maxSyncWalBytes: { least: 0, whole: true },
}

function isDriverChoice(value: unknown): boolean {
  return (
    DRIVER_NAMES.some((name) => name === value) || typeof (value as { module?: unknown } | null)?.module === 'string'
  )
}

/** Checks of all options; RANGES has those of numbers. */
const CHECKS: OptionChecks<ReplicatorOptions> = {
  driver: (value) => (isDriverChoice(value) ? undefined : `${DRIVER_NAMES.join(' or ')}, or the class of one of them`),
  metaPath: text,
  busyTimeout: anything,
  minCheckpointPages: anything,
  checkpointInterval: anything,
  truncatePages: anything,
  maxSyncWalBytes: anything,
  monitorInterval: anything,
  syncInterval: anything,
  maxSyncLtxFiles: anything,
  shutdownSyncTimeout: anything,
  shutdownSyncInterval: anything,
  lease: flag,
  leaseTtl: anything,
  replicaCheckInterval: anything,
  allowMissing: flag,
  onDivergence: oneOf(...ON_DIVERGENCE),
  compaction: (value) => (value === false ? undefined : object(value) && 'false or an object with the settings'),
}

/**
 * Throws INVALID_ARGUMENT, naming the option, for a number outside its range, a value of another
 * type and an unknown option.
 */
export function checkReplicatorOptions(options: Partial<ReplicatorOptions>): void {
  checkOptions(options, CHECKS, 'replicate')
  for (const [name, { least, most = Number.MAX_SAFE_INTEGER, whole = false }] of Object.entries(RANGES)) {
    const value: unknown = options[name as keyof ReplicatorOptions]
    if (value === undefined) continue
    if (typeof value === 'number' && value >= least && value <= most && (!whole || Number.isInteger(value))) continue
    throw new LitestreamError('INVALID_ARGUMENT', `invalid option ${name}: ${String(value)}`, {
      hint: `Set it to a ${whole ? 'whole ' : ''}number from ${least} to ${most}.`,
    })
  }
}
