import { type CheckedOperation, checkMirror, checkOperation } from './operation-checks.js'
import { parseTimestamp } from './util/timestamp.js'
import { type WaitOptions, withDeadline } from './util/wait.js'

/**
 * Operations that take seconds or more. Their code is loaded at the first call, so that a program
 * which opens a replica does not wait for the code of a restore.
 */
function whenCalled<A extends unknown[], R>(
  load: () => Promise<(...args: A) => Promise<R>>,
): (...args: A) => Promise<R> {
  return async (...args) => (await load())(...args)
}

/** Options of an operation whose target may be a time: a Date or an RFC 3339 string. */
type WithTime<Options> = Options extends { readonly timestamp?: number }
  ? Omit<Options, 'timestamp'> & { readonly timestamp?: Date | string }
  : Options

/** Arguments of an operation: options with a `signal` may also have a `timeout` in milliseconds. */
type Timed<A extends unknown[]> = {
  [K in keyof A]: 'signal' extends keyof NonNullable<A[K]> ? WithTime<A[K]> & Pick<WaitOptions, 'timeout'> : A[K]
}

/**
 * Like whenCalled, for an operation that waits for a store: the option `timeout` ends it with
 * TIMEOUT.
 */
function untilDeadline<A extends unknown[], R>(
  name: CheckedOperation,
  what: string,
  load: () => Promise<(...args: A) => Promise<R>>,
): (...args: Timed<A>) => Promise<R> {
  return async (...args) => {
    checkOperation(name, args)
    const operation = await load()
    const last = args.at(-1) as (WaitOptions & { readonly timestamp?: Date | string }) | undefined
    if (last?.timeout === undefined && last?.timestamp === undefined) return operation(...(args as unknown as A))
    const { timeout, signal, timestamp, ...options } = last
    const time = timestamp === undefined ? {} : { timestamp: milliseconds(timestamp) }
    return withDeadline(what, { timeout, signal }, (linked) => {
      const given = { ...options, ...time, ...(linked ? { signal: linked } : {}) }
      return operation(...([...args.slice(0, -1), given] as unknown as A))
    })
  }
}

/** Milliseconds since the epoch. Throws INVALID_ARGUMENT for a text that is not RFC 3339. */
function milliseconds(timestamp: Date | string): number {
  return typeof timestamp === 'string' ? parseTimestamp(timestamp) : timestamp.getTime()
}

/** Restores a database to a file. See docs/restore.md. */
export const restore = untilDeadline(
  'restore',
  'restoring a database',
  async () => (await import('./restore/restore.js')).restore,
)
/** Fetches a full copy of the database. */
export const hydrateFile = untilDeadline(
  'hydrateFile',
  'fetching a local copy',
  async () => (await import('./restore/restore.js')).hydrateFile,
)
/** Keeps a local file up to date with a replica until its signal is aborted. */
export const follow = whenCalled(async () => {
  const { follow } = await import('./restore/follow.js')
  return async (...args: Parameters<typeof follow>) => {
    checkOperation('follow', args)
    return follow(...args)
  }
})
/** Lists a replica and chooses the files of a restore. */
export const planRestore = untilDeadline(
  'planRestore',
  'planning a restore',
  async () => (await import('./levels/plan.js')).planRestore,
)
/** Uploads everything committed to a replica, once. */
export const replicateOnce = whenCalled(async () => (await import('./primary/replicate-once.js')).replicateOnce)
/** Merges the files of a level into the next. */
export const compact = untilDeadline(
  'compact',
  'compacting a level',
  async () => (await import('./compaction/compact.js')).compact,
)
export const createSnapshot = untilDeadline(
  'createSnapshot',
  'writing a snapshot',
  async () => (await import('./compaction/snapshot.js')).createSnapshot,
)
export const enforceL0Retention = untilDeadline(
  'enforceL0Retention',
  'deleting old L0 files',
  async () => (await import('./compaction/retention.js')).enforceL0Retention,
)
export const enforceSnapshotRetention = untilDeadline(
  'enforceSnapshotRetention',
  'deleting old snapshots',
  async () => (await import('./compaction/retention.js')).enforceSnapshotRetention,
)
/** Reads a whole replica and reports its faults. */
export const verifyReplica = untilDeadline(
  'verifyReplica',
  'verifying a replica',
  async () => (await import('./levels/verify-replica.js')).verifyReplica,
)
/** Copies a replica to another store. */
export const mirror = whenCalled(async () => {
  const { mirror } = await import('./mirror/mirror.js')
  return async (...args: Parameters<typeof mirror>) => {
    checkMirror('mirror', args)
    return mirror(...args)
  }
})
/** Keeps a copy of a replica in another store up to date until its signal is aborted. */
export const followMirror = whenCalled(async () => {
  const { followMirror } = await import('./mirror/mirror.js')
  return async (...args: Parameters<typeof followMirror>) => {
    checkMirror('followMirror', args)
    return followMirror(...args)
  }
})
/** Header, page count, sizes and trailer of one LTX file. */
export const inspectLtx = whenCalled(async () => (await import('./ltx/inspect.js')).inspectLtx)
/** Checks every byte of one LTX file. */
export const verifyLtx = whenCalled(async () => (await import('./ltx/verify.js')).verifyLtx)
