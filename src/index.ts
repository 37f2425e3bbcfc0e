export { type CompactOptions, compact } from './compaction/compact.js'
export { enforceL0Retention, enforceSnapshotRetention } from './compaction/retention.js'
export {
  type CompactionObserver,
  CompactionScheduler,
  type CompactionSchedulerOptions,
  type CompactionSettings,
  type CompactionTask,
  DEFAULT_COMPACTION_SETTINGS,
} from './compaction/scheduler.js'
export { createSnapshot, writeSnapshot } from './compaction/snapshot.js'
export {
  type ReplicaFault,
  type ReplicaReport,
  type VerifyReplicaOptions,
  verifyReplica,
} from './compaction/verify-replica.js'
export { type ErrorCode, type ErrorDetails, isLitestreamError, LitestreamError } from './errors.js'
export type { LtxHeader } from './ltx/header.js'
export { inspectLtx, type LtxSummary } from './ltx/inspect.js'
export { formatTxid, parseTxid } from './ltx/txid.js'
export { verifyLtx } from './ltx/verify.js'
export { PrimaryDatabase, type PrimaryStatus } from './primary/primary-database.js'
export type { CheckpointMode, PrimaryEvents, PrimaryObserver } from './primary/primary-events.js'
export { DEFAULT_PRIMARY_OPTIONS, type PrimaryOptions } from './primary/primary-options.js'
export { type ReplicateOptions, type Replication, replicate } from './primary/replicate.js'
export { type ReplicateOnceOptions, replicateOnce } from './primary/replicate-once.js'
export {
  DEFAULT_REPLICATOR_OPTIONS,
  Replicator,
  type ReplicatorOptions,
  type ReplicatorStatus,
  type SyncOptions,
  type SyncResult,
} from './primary/replicator.js'
export { getLoadablePath, load } from './replica/loadable.js'
export { openReplica, type Replica, type ReplicaDetails, type ReplicaStats } from './replica/open-replica.js'
export type { ReplicaOptions } from './replica/options.js'
export { type FollowOptions, follow } from './restore/follow.js'
export type { IntegrityCheck } from './restore/integrity.js'
export { type PlanOptions, type PlanTarget, planRestore } from './restore/plan.js'
export {
  type HydrateOptions,
  hydrateFile,
  type RestoreOptions,
  type RestoreProgress,
  type RestoreResult,
  restore,
} from './restore/restore.js'
export { type OpenReplicaClientOptions, openReplicaClient } from './storage/open.js'
export type { LtxFileInfo, LtxFileRef, ReplicaClient } from './storage/replica-client.js'
