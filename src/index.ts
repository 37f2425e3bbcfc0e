export { type ErrorCode, type ErrorDetails, isLitestreamError, LitestreamError } from './errors.js'
export type { LtxHeader } from './ltx/header.js'
export { inspectLtx, type LtxSummary } from './ltx/inspect.js'
export { formatTxid, parseTxid } from './ltx/txid.js'
export { verifyLtx } from './ltx/verify.js'
export { getLoadablePath, load } from './replica/loadable.js'
export { openReplica, type Replica, type ReplicaDetails, type ReplicaStats } from './replica/open-replica.js'
export type { ReplicaOptions } from './replica/options.js'
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
