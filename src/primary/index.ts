/**
 * `litestream-ts/primary`: the parts of a primary, for programs that combine them themselves. Most
 * programs use `replicate`.
 */
export {
  type CompactionObserver,
  CompactionScheduler,
  type CompactionSchedulerOptions,
  type CompactionSettings,
  type CompactionTask,
  DEFAULT_COMPACTION_SETTINGS,
} from '../compaction/scheduler.js'
export type { CheckpointMode, PrimaryEvents, PrimaryObserver } from './events.js'
export { DEFAULT_REPLICATOR_OPTIONS, type ReplicatorOptions } from './options.js'
export { Replicator } from './replicator.js'
export type { ReplicatorStatus, SyncOptions, SyncResult } from './replicator-status.js'
export { PrimaryDatabase, type PrimaryStatus } from './sync/primary-database.js'
export { DEFAULT_PRIMARY_OPTIONS, type PrimaryOptions } from './sync-options.js'
