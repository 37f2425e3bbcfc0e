export { type ErrorCode, type ErrorDetails, isLitestreamError, LitestreamError } from './errors.js'
export { type OpenReplicaClientOptions, openReplicaClient } from './storage/open.js'
export type { LtxFileInfo, LtxFileRef, ReplicaClient } from './storage/replica-client.js'
