import type { CompactOptions, MergeFilesOptions } from './compaction/compact.js'
import type { L0RetentionOptions, SnapshotRetentionOptions } from './compaction/retention.js'
import type { PlanOptions } from './levels/plan.js'
import type { VerifyReplicaOptions } from './levels/verify-replica.js'
import type { FollowMirrorOptions, MirrorOptions } from './mirror/options.js'
import type { FollowOptions } from './restore/follow.js'
import type { HydrateOptions } from './restore/restore.js'
import type { RestoreOptions } from './restore/restore-options.js'
import type { StoreOptions } from './storage/open.js'
import type { OutageListener } from './storage/outage.js'
import * as check from './util/check-arguments.js'
import type { WaitOptions } from './util/wait.js'

/** Options that every operation on a replica accepts. */
export interface OperationOptions extends WaitOptions {
  /**
   * Settings of the store. The settings are used only if the replica is given as a URL. See
   * `openReplicaClient`.
   */
  readonly storage?: StoreOptions
  /**
   * Called when the store stops responding, and when the store responds again. `onOutage` is used
   * only if the replica is given as a URL. See `openReplicaClient`.
   */
  readonly onOutage?: OutageListener
}

/** The options of each operation. */
interface Options {
  readonly restore: RestoreOptions & OperationOptions
  readonly hydrateFile: HydrateOptions & OperationOptions
  readonly follow: FollowOptions & OperationOptions
  readonly planRestore: PlanOptions & OperationOptions
  readonly compact: CompactOptions & OperationOptions
  readonly createSnapshot: MergeFilesOptions & OperationOptions
  readonly enforceL0Retention: L0RetentionOptions & OperationOptions
  readonly enforceSnapshotRetention: SnapshotRetentionOptions & OperationOptions
  readonly verifyReplica: VerifyReplicaOptions & OperationOptions
  readonly mirror: MirrorOptions & OperationOptions
  readonly followMirror: FollowMirrorOptions & Pick<OperationOptions, 'storage' | 'onOutage'>
  readonly inspectLtx: OperationOptions
  readonly verifyLtx: OperationOptions
}
export type Operation = keyof Options

/** Number of requests or files that are handled in parallel. */
const parallelism = check.integerFrom(1, 1000)
const storage = check.object
const store = { storage, onOutage: check.callback }
const operation = { ...check.waitChecks, ...store }
const integrityCheck = check.oneOf('none', 'quick', 'full')
const target = { txid: check.txid, timestamp: check.instant }
const output = { output: check.text, force: check.flag, parallelism, onProgress: check.callback }
const merging = { ...operation, local: check.callback }
const ages = { ...operation, now: check.instant, createdAt: check.callback, diverged: check.duration() }
const mirroring = {
  ...store,
  signal: check.abortSignal,
  retention: check.duration(),
  bytesPerSecond: check.byteSize(1),
  parallelism,
  onProgress: check.callback,
}

const CHECKS: { readonly [Name in Operation]: check.OptionChecks<Options[Name]> } = {
  restore: {
    ...operation,
    ...target,
    ...output,
    integrityCheck,
    ifDbNotExists: check.flag,
    ifReplicaExists: check.flag,
    dryRun: check.flag,
  },
  hydrateFile: { ...operation, ...output },
  follow: {
    ...operation,
    ...output,
    integrityCheck,
    interval: check.duration(1),
    onAdvance: check.callback,
    onError: check.callback,
    onWarning: check.callback,
  },
  planRestore: { ...operation, ...target, without: check.object },
  compact: {
    ...merging,
    level: check.integerFrom(1, 8),
    reached: check.integerFrom(0),
    onDamaged: check.callback,
  },
  createSnapshot: merging,
  enforceL0Retention: { ...ages, l0Retention: check.duration() },
  enforceSnapshotRetention: { ...ages, retention: check.duration() },
  verifyReplica: { ...operation, parallelism, onProgress: check.callback },
  mirror: { ...mirroring, ...operation },
  followMirror: {
    ...mirroring,
    interval: check.duration(1),
    minInterval: check.duration(),
    onPass: check.callback,
    onError: check.callback,
  },
  inspectLtx: operation,
  verifyLtx: operation,
}

/** For each operation, the options that have no default. */
const REQUIRED: { readonly [Name in Operation]?: readonly (keyof Options[Name])[] } = {
  restore: ['output'],
  hydrateFile: ['output'],
  follow: ['output', 'signal'],
  compact: ['level'],
  enforceL0Retention: ['l0Retention'],
  enforceSnapshotRetention: ['retention'],
}

/**
 * Returns the options of an operation as numbers. Durations become milliseconds, sizes become
 * bytes, and times become milliseconds since the epoch. Throws INVALID_ARGUMENT.
 */
export function readOperation<Given extends object>(name: Operation, options: Given): check.Resolved<Given> {
  const checks = CHECKS[name] as { readonly [Name in keyof Required<Given>]: check.Check }
  const read = check.readOptions(options, checks, name)
  for (const option of (REQUIRED[name] ?? []) as readonly (keyof Given & string)[]) {
    check.checkArgument(options[option], option, checks[option], name)
  }
  return read
}

/** Throws INVALID_ARGUMENT if an argument is neither a replica URL nor a replica client. */
export function checkReplica(value: unknown, argument: string, name: Operation): void {
  check.checkArgument(value, argument, isReplica, name)
}

const isReplica: check.Check = (value) => {
  const list = (value as { list?: unknown } | null | undefined)?.list
  const isUrl = typeof value === 'string' && value !== ''
  return isUrl || typeof list === 'function'
    ? undefined
    : 'the URL of a replica, or a client that openReplicaClient() returned'
}
