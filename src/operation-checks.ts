import type { CompactOptions } from './compaction/compact.js'
import type { L0RetentionOptions, SnapshotRetentionOptions } from './compaction/retention.js'
import type { PlanOptions } from './levels/plan.js'
import type { VerifyReplicaOptions } from './levels/verify-replica.js'
import type { FollowMirrorOptions, MirrorOptions } from './mirror/options.js'
import type { FollowOptions } from './restore/follow.js'
import type { HydrateOptions } from './restore/restore.js'
import type { RestoreOptions } from './restore/restore-options.js'
import * as check from './util/check-arguments.js'

/** Number of concurrent requests or files. */
const parallelism = check.integerFrom(1, 1000)
const waiting = { signal: check.abortSignal, timeout: check.positiveMilliseconds }
type Timed<Options> = Options & { readonly timeout?: number }

const integrityCheck = check.oneOf('none', 'quick', 'full')
const target = { txid: check.txid, timestamp: check.instant }
const output = { output: check.text, force: check.flag, parallelism, onProgress: check.callback }

const restore: check.OptionChecks<Timed<RestoreOptions>> = {
  ...waiting,
  ...target,
  ...output,
  integrityCheck,
  ifDbNotExists: check.flag,
  ifReplicaExists: check.flag,
  dryRun: check.flag,
}
const hydrateFile: check.OptionChecks<Timed<HydrateOptions>> = { ...waiting, ...output }
const follow: check.OptionChecks<FollowOptions> = {
  ...waiting,
  ...output,
  integrityCheck,
  interval: check.positiveMilliseconds,
  onAdvance: check.callback,
  onError: check.callback,
  onWarning: check.callback,
}
const planRestore: check.OptionChecks<Timed<PlanOptions>> = { ...waiting, ...target, without: check.object }
const merging = { ...waiting, local: check.callback }
const compact: check.OptionChecks<Timed<CompactOptions>> = {
  ...merging,
  level: check.integerFrom(1, 8),
  reached: check.integerFrom(0),
  onDamaged: check.callback,
}
const ages = { ...waiting, now: check.time, createdAt: check.callback, diverged: check.milliseconds }
const enforceL0Retention: check.OptionChecks<Timed<L0RetentionOptions>> = { ...ages, l0Retention: check.milliseconds }
const enforceSnapshotRetention: check.OptionChecks<Timed<SnapshotRetentionOptions>> = {
  ...ages,
  retention: check.milliseconds,
}
const verifyReplica: check.OptionChecks<Timed<VerifyReplicaOptions>> = {
  ...waiting,
  parallelism,
  onProgress: check.callback,
}

const mirror: check.OptionChecks<MirrorOptions> = {
  retention: check.milliseconds,
  bytesPerSecond: check.integerFrom(1),
  parallelism,
  onProgress: check.callback,
  signal: check.abortSignal,
}
const followMirror: check.OptionChecks<FollowMirrorOptions> = {
  ...mirror,
  interval: check.positiveMilliseconds,
  minInterval: check.milliseconds,
  onPass: check.callback,
  onError: check.callback,
}

const CHECKS = {
  restore,
  hydrateFile,
  follow,
  planRestore,
  compact,
  createSnapshot: merging,
  enforceL0Retention,
  enforceSnapshotRetention,
  verifyReplica,
} as const
/** Options that have no default. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  restore: ['output'],
  hydrateFile: ['output'],
  follow: ['output', 'signal'],
  compact: ['level'],
  enforceL0Retention: ['l0Retention'],
  enforceSnapshotRetention: ['retention'],
}

/** Operations on one replica, with a client and options. */
export type CheckedOperation = keyof typeof CHECKS

/** Throws INVALID_ARGUMENT for arguments that the operation does not accept. */
export function checkOperation(name: CheckedOperation, [client, options]: readonly unknown[]): void {
  check.checkArgument(client, 'client', isClient, name)
  const required = REQUIRED[name] ?? []
  if (options === undefined && required.length === 0) return
  check.checkOptions(options, CHECKS[name] as Readonly<Record<string, check.Check>>, name)
  for (const option of required) {
    const value = (options as Record<string, unknown>)[option]
    check.checkArgument(value, option, (CHECKS[name] as Record<string, check.Check>)[option]!, name)
  }
}

/** Like checkOperation, for operations on two replicas. */
export function checkMirror(name: 'mirror' | 'followMirror', args: readonly unknown[]): void {
  const [source, destination, options] = args
  check.checkArgument(source, 'source', isClient, name)
  check.checkArgument(destination, 'destination', isClient, name)
  if (options !== undefined) check.checkOptions(options, name === 'mirror' ? mirror : followMirror, name)
}

const isClient: check.Check = (value) => {
  const list = (value as { list?: unknown } | null | undefined)?.list
  return typeof list === 'function' ? undefined : 'what openReplicaClient() returns'
}
