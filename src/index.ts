export type { CompactOptions, MergeFilesOptions } from './compaction/compact.js'
export type { L0RetentionOptions, SnapshotRetentionOptions } from './compaction/retention.js'
export { type ErrorCode, type ErrorDetails, isLitestreamError, LitestreamError } from './errors.js'
export type { IntegrityCheck, IntegrityOutcome, IntegrityReport } from './integrity/report.js'
export type { DivergedState, Divergence } from './levels/divergence-record.js'
export type { PlanOptions } from './levels/plan.js'
export type { ReplicaFault, ReplicaReport, VerifyReplicaOptions } from './levels/verify-replica.js'
export type { LtxHeader } from './ltx/header.js'
export type { LtxSummary } from './ltx/inspect.js'
export { formatTxid, parseTxid } from './ltx/txid.js'
export type { DamagedFile, FollowMirrorOptions, MirrorOptions, MirrorResult } from './mirror/options.js'
export type { OperationOptions } from './operation-options.js'
export * from './operations.js'
export type { CheckpointMode, PrimaryEvents } from './primary/events.js'
export { type ReplicateOptions, type Replication, replicate } from './primary/replicate.js'
export type { ReplicateOnceOptions } from './primary/replicate-once.js'
export type { ReplicatorStatus, SyncOptions, SyncResult } from './primary/replicator-status.js'
export { getLoadablePath, load } from './replica/handle/loadable.js'
export {
  type OpenReplicaOptions,
  openReplica,
  type Replica,
  type ReplicaMoment,
  type ReplicaStats,
  type ReplicaTarget,
  type WorkerStats,
} from './replica/handle/open-replica.js'
export type { PrefetchOptions } from './replica/handle/prefetch-queries.js'
export type { ReplicaOptions, ReplicaWriteOptions } from './replica/options.js'
export { openReplicas } from './replica/pool/open-replicas.js'
export type { ReplicaPoolOptions } from './replica/pool/pool-options.js'
export type { PooledReplica } from './replica/pool/pooled-replica.js'
export type { PoolCloseReason, ReplicaPool, ReplicaPoolStats } from './replica/pool/replica-pool.js'
export type { FollowOptions } from './restore/follow.js'
export type { HydrateOptions } from './restore/restore.js'
export type { RestoreOptions, RestoreProgress, RestoreResult } from './restore/restore-options.js'
export type { OpenReplicaClientOptions, StoreOptions } from './storage/open.js'
export type { LtxFileInfo, LtxFileRef, ReplicaClient } from './storage/replica-client.js'
export type { ByteSize } from './util/byte-size.js'
export type { Duration } from './util/duration.js'
export type { Instant } from './util/timestamp.js'
export type { WaitOptions } from './util/wait.js'
