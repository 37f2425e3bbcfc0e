import { type CompactionSettings, DEFAULT_COMPACTION_SETTINGS } from '../compaction/scheduler.js'
import { DEFAULT_LEASE_TTL } from '../levels/lease.js'
import { DEFAULT_PRIMARY_OPTIONS, type PrimaryOptions } from './sync/sync-options.js'

/** All that is said about one replication; the defaults are Litestream's. */
export interface ReplicatorOptions extends PrimaryOptions {
  /** Between two looks at the WAL, milliseconds. */
  readonly monitorInterval: number
  /** At least between two uploads, milliseconds. */
  readonly syncInterval: number
  /** Files of level 0 in one upload; 0: all there are. */
  readonly maxSyncLtxFiles: number
  /** How long `close` tries to bring the last commits to the replica, milliseconds; 0: one try. */
  readonly shutdownSyncTimeout: number
  /** Between two of these tries, milliseconds. */
  readonly shutdownSyncInterval: number
  /** Write only while the lease in the replica is ours, and wait for it otherwise. */
  readonly lease: boolean
  /** How long a lease lasts that its owner does not renew, milliseconds. */
  readonly leaseTtl: number
  /** Levels, snapshots and retention; false: files of level 0 are all that is written, and nothing is deleted. */
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
  compaction: DEFAULT_COMPACTION_SETTINGS,
})
