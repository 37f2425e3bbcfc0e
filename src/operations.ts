/**
 * Operations that work for seconds or more. Their code is loaded with the first call: a program that opens a replica does not wait
 * for the code of a restore.
 */
function whenCalled<A extends unknown[], R>(
  load: () => Promise<(...args: A) => Promise<R>>,
): (...args: A) => Promise<R> {
  return async (...args) => (await load())(...args)
}

/** Restores a database to a file. See docs/restore.md. */
export const restore = whenCalled(async () => (await import('./restore/restore.js')).restore)
/** Fetches a full local copy. */
export const hydrateFile = whenCalled(async () => (await import('./restore/restore.js')).hydrateFile)
/** Keeps a local file up to date with a replica. */
export const follow = whenCalled(async () => (await import('./restore/follow.js')).follow)
/** Lists a replica and chooses the files of a restore. */
export const planRestore = whenCalled(async () => (await import('./levels/plan.js')).planRestore)
/** Brings what is committed to a replica, once. */
export const replicateOnce = whenCalled(async () => (await import('./primary/replicate-once.js')).replicateOnce)
/** Merges the files of a level into the next. */
export const compact = whenCalled(async () => (await import('./compaction/compact.js')).compact)
export const createSnapshot = whenCalled(async () => (await import('./compaction/snapshot.js')).createSnapshot)
export const enforceL0Retention = whenCalled(async () => (await import('./compaction/retention.js')).enforceL0Retention)
export const enforceSnapshotRetention = whenCalled(
  async () => (await import('./compaction/retention.js')).enforceSnapshotRetention,
)
/** Reads everything in a replica and says what is wrong with it. */
export const verifyReplica = whenCalled(async () => (await import('./levels/verify-replica.js')).verifyReplica)
/** Header, page count, sizes and trailer of one LTX file. */
export const inspectLtx = whenCalled(async () => (await import('./ltx/inspect.js')).inspectLtx)
/** Checks every byte of one LTX file. */
export const verifyLtx = whenCalled(async () => (await import('./ltx/verify.js')).verifyLtx)
