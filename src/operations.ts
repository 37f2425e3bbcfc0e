import type { CompactOptions, MergeFilesOptions } from './compaction/compact.js'
import type { L0RetentionOptions, SnapshotRetentionOptions } from './compaction/retention.js'
import type { PlanOptions } from './levels/plan.js'
import type { ReplicaReport, VerifyReplicaOptions } from './levels/verify-replica.js'
import { fileLabel } from './ltx/file-label.js'
import type { LtxSummary } from './ltx/inspect.js'
import type { FollowMirrorOptions, MirrorOptions, MirrorResult } from './mirror/options.js'
import { checkReplica, type Operation, type OperationOptions, readOperation } from './operation-options.js'
import type { ReplicateOnceOptions } from './primary/replicate-once.js'
import type { SyncResult } from './primary/replicator-status.js'
import type { FollowOptions } from './restore/follow.js'
import type { HydrateOptions } from './restore/restore.js'
import type { RestoreOptions, RestoreResult } from './restore/restore-options.js'
import type { OpenReplicaClientOptions, StoreOptions } from './storage/open.js'
import type { LtxFileInfo, LtxFileRef, ReplicaClient } from './storage/replica-client.js'
import type { Resolved } from './util/check-arguments.js'
import { withDeadline } from './util/wait.js'

// The operations in this file take seconds or more. The first call of an operation loads its code,
// so that a program that only opens a replica does not load the code of a restore.

/**
 * Opens a client of the replica at `url`. openReplicaClient() loads only the code and the SDK of
 * the URL's kind of store. Throws INVALID_URL for an invalid URL, and ACCESS_DENIED if the replica
 * cannot be read. An empty replica is not an error.
 *
 * @example
 * const client = await openReplicaClient('s3://bucket/app.db')
 * for await (const file of client.list(0)) console.log(file.maxTxid, file.size)
 * await client.close()
 */
export async function openReplicaClient(url: string, options: OpenReplicaClientOptions = {}): Promise<ReplicaClient> {
  return (await import('./storage/open.js')).openReplicaClient(url, options)
}

/**
 * Runs `work` with a client of the replica. If the replica is given as a URL, opens a client for
 * `work` and closes the client afterwards.
 */
async function withClient<T>(
  replica: string | ReplicaClient,
  options: Pick<OpenReplicaClientOptions, 'signal' | 'onOutage'> & { readonly storage?: StoreOptions | undefined },
  work: (client: ReplicaClient) => Promise<T>,
): Promise<T> {
  if (typeof replica !== 'string') return work(replica)
  const { storage, signal, onOutage } = options
  const client = await openReplicaClient(replica, { ...storage, onOutage, ...(signal ? { signal } : {}) })
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/**
 * Checks the arguments of an operation, and runs the operation with a replica client. The operation
 * receives durations in milliseconds, sizes in bytes, and times in milliseconds since the epoch.
 * Throws TIMEOUT after `timeout`. The message of the TIMEOUT error contains `what`.
 */
async function onReplica<Options extends OperationOptions, T>(
  name: Operation,
  what: string,
  replica: string | ReplicaClient,
  options: Options,
  run: (client: ReplicaClient, options: Resolved<Options>) => Promise<T>,
): Promise<T> {
  checkReplica(replica, 'replica', name)
  const { signal, timeout, storage, onOutage, ...given } = readOperation<OperationOptions>(name, options)
  return withDeadline(what, { signal, timeout }, (linked) =>
    withClient(replica, { storage, onOutage, signal: linked }, (client) =>
      run(client, { ...given, ...(linked ? { signal: linked } : {}) } as Resolved<Options>),
    ),
  )
}

/**
 * Restores a database from a replica to its newest state, or to its state at a TXID or a time.
 * Writes the database to a temporary file in the folder of the output, and checks the database.
 * Renames the temporary file to the output when the database is complete and on disk. After a
 * failure, removes the temporary file. If a check that `integrityCheck` requests has found faults,
 * keeps the temporary file. If the output file exists, the restored database gets the owner and
 * mode of this file.
 *
 * @throws OUTPUT_EXISTS if the output file exists and `force` is not true. Throws OUTPUT_BUSY if
 * another process uses the output file. Throws REPLICA_EMPTY if the replica has no files. Throws
 * TXID_NOT_AVAILABLE if the TXID or the time cannot be restored. Throws LTX_GAP if the TXIDs of the
 * files have a gap, and LTX_CORRUPT if a file is damaged. Throws PAGE_SIZE_MISMATCH if the files
 * have different page sizes. Throws INTEGRITY_CHECK_FAILED if a check that `integrityCheck`
 * requests finds faults. Throws INVALID_ARGUMENT if an argument is invalid, ABORTED if the signal
 * aborts, and TIMEOUT after `timeout`. Also throws errors of the store.
 *
 * @example
 * const { txid } = await restore('s3://bucket/app.db', { output: 'restored.db' })
 */
export function restore(
  replica: string | ReplicaClient,
  options: RestoreOptions & OperationOptions,
): Promise<RestoreResult> {
  return onReplica('restore', 'restoring a database', replica, options, async (client, given) =>
    (await import('./restore/restore.js')).restore(client, given),
  )
}

/**
 * Copies the newest state of a replica to a local database file. Does the same as `restore`, but
 * without SQLite's integrity check.
 *
 * @throws the errors of `restore`.
 *
 * @example
 * await hydrateFile('s3://bucket/app.db', { output: 'copy.db', force: true })
 */
export function hydrateFile(
  replica: string | ReplicaClient,
  options: HydrateOptions & OperationOptions,
): Promise<RestoreResult> {
  return onReplica('hydrateFile', 'fetching a local copy', replica, options, async (client, given) =>
    (await import('./restore/restore.js')).hydrateFile(client, given),
  )
}

/**
 * Restores a database, and then applies new files of the replica until `signal` is aborted. The
 * promise then resolves. Other programs may read the database at any time, and see only whole
 * transactions. Other programs must not write to the database. The file `<output>-txid` contains
 * the TXID of the database. If the database and the file `<output>-txid` exist, `follow` continues
 * from the TXID in the file. Litestream's own follower may have written both files.
 *
 * @throws the errors of `restore`. Throws OUTPUT_EXISTS if the database exists without the -txid
 * file, REPLICA_RESET if the replica was reset, and HYDRATION_CONFLICT if another program wrote to
 * the database.
 *
 * @example
 * await follow('s3://bucket/app.db', { output: 'followed.db', signal: AbortSignal.timeout(500) })
 */
export async function follow(
  replica: string | ReplicaClient,
  options: FollowOptions & OperationOptions,
): Promise<void> {
  checkReplica(replica, 'replica', 'follow')
  const { storage, onOutage, ...given } = readOperation('follow', options)
  const { follow } = await import('./restore/follow.js')
  await withClient(replica, { storage, onOutage, signal: given.signal }, (client) => follow(client, given))
}

/**
 * Lists a replica and returns the files of a restore, in the order in which a restore applies them.
 *
 * @throws REPLICA_EMPTY if the replica has no files. Throws TXID_NOT_AVAILABLE if the files do not
 * reach the target, and LTX_GAP if the files do not reach the newest state. Also throws errors of
 * the store.
 *
 * @example
 * const files = await planRestore('s3://bucket/app.db')
 */
export function planRestore(
  replica: string | ReplicaClient,
  options: PlanOptions & OperationOptions = {},
): Promise<LtxFileInfo[]> {
  return onReplica('planRestore', 'planning a restore', replica, options, async (client, given) =>
    (await import('./levels/plan.js')).planRestore(client, given),
  )
}

/**
 * Uploads all commits of the database at `path` to the replica at `url`, and then closes the
 * database and the replica. Runs on the calling thread.
 *
 * @throws NOT_FOUND if the database does not exist, INVALID_ARGUMENT if an argument is invalid, and
 * TIMEOUT after `timeout`. Also throws any error that prevents an upload.
 *
 * @example
 * const { replicaTxid } = await replicateOnce('app.db', 's3://bucket/app.db')
 */
export async function replicateOnce(
  path: string,
  url: string,
  options: ReplicateOnceOptions = {},
): Promise<SyncResult> {
  return (await import('./primary/replicate-once.js')).replicateOnce(path, url, options)
}

/**
 * Merges the new files of the level below into level `level`. Returns the written files. Returns an
 * empty list if the level below has no new files. `compact` is needed only for a replica whose
 * primary runs no compaction.
 *
 * @throws LTX_GAP if the TXIDs of the files have a gap, LTX_CORRUPT if a file is damaged, and
 * PAGE_SIZE_MISMATCH if the files have different page sizes. Throws INVALID_ARGUMENT if an argument
 * is invalid. Also throws errors of the store.
 *
 * @example
 * const written = await compact('s3://bucket/app.db', { level: 1 })
 */
export function compact(
  replica: string | ReplicaClient,
  options: CompactOptions & OperationOptions,
): Promise<LtxFileInfo[]> {
  return onReplica('compact', 'compacting a level', replica, options, async (client, given) =>
    (await import('./compaction/compact.js')).compact(client, given),
  )
}

/**
 * Writes a snapshot of the newest state by merging files of the replica. Returns undefined if the
 * newest snapshot already contains the newest state.
 *
 * @throws the errors of `planRestore` and `compact`.
 *
 * @example
 * const snapshot = await createSnapshot('s3://bucket/app.db')
 */
export function createSnapshot(
  replica: string | ReplicaClient,
  options: MergeFilesOptions & OperationOptions = {},
): Promise<LtxFileInfo | undefined> {
  return onReplica('createSnapshot', 'writing a snapshot', replica, options, async (client, given) =>
    (await import('./compaction/snapshot.js')).createSnapshot(client, given),
  )
}

/**
 * Deletes L0 files that are older than `l0Retention` if level 1 or a snapshot contains their
 * transactions. Keeps the newest L0 file. Returns the deleted files.
 *
 * @throws LTX_CORRUPT if the divergence record is damaged. Also throws errors of the store.
 *
 * @example
 * const deleted = await enforceL0Retention('s3://bucket/app.db', { l0Retention: '5m' })
 */
export function enforceL0Retention(
  replica: string | ReplicaClient,
  options: L0RetentionOptions & OperationOptions,
): Promise<LtxFileInfo[]> {
  return onReplica('enforceL0Retention', 'deleting old L0 files', replica, options, async (client, given) =>
    (await import('./compaction/retention.js')).enforceL0Retention(client, given),
  )
}

/**
 * Deletes snapshots that are older than `retention`, except the newest snapshot. Also deletes files
 * of levels 1 to 8 that are older than a deleted snapshot. Returns the deleted files.
 *
 * @throws LTX_CORRUPT if the divergence record is damaged. Also throws errors of the store.
 *
 * @example
 * const deleted = await enforceSnapshotRetention('s3://bucket/app.db', { retention: '24h' })
 */
export function enforceSnapshotRetention(
  replica: string | ReplicaClient,
  options: SnapshotRetentionOptions & OperationOptions,
): Promise<LtxFileInfo[]> {
  return onReplica('enforceSnapshotRetention', 'deleting old snapshots', replica, options, async (client, given) =>
    (await import('./compaction/retention.js')).enforceSnapshotRetention(client, given),
  )
}

/**
 * Verifies a replica without writing a database. Reads and checks every file of the replica
 * completely. Checks that the files of each level are contiguous, and that the newest state can be
 * restored from undamaged files. Returns faults of the replica instead of throwing them.
 *
 * @throws errors of the store.
 *
 * @example
 * const { faults, restorable } = await verifyReplica('s3://bucket/app.db')
 */
export function verifyReplica(
  replica: string | ReplicaClient,
  options: VerifyReplicaOptions & OperationOptions = {},
): Promise<ReplicaReport> {
  return onReplica('verifyReplica', 'verifying a replica', replica, options, async (client, given) =>
    (await import('./levels/verify-replica.js')).verifyReplica(client, given),
  )
}

/**
 * Copies a replica to another store once. Checks each file during the copy. The destination can be
 * restored at any moment. See docs/mirror.md.
 *
 * @throws LTX_GAP if the TXIDs of the source have a gap. Throws REPLICA_RESET if the destination is
 * not a copy of the source, and REPLICA_FENCED if a primary replicates to the destination. Throws
 * INVALID_ARGUMENT if an argument is invalid or if source and destination overlap, and TIMEOUT
 * after `timeout`. Also throws errors of both stores.
 *
 * @example
 * const { txid, copied } = await mirror('s3://bucket/app.db', 's3://bucket/mirrored')
 */
export async function mirror(
  source: string | ReplicaClient,
  destination: string | ReplicaClient,
  options: MirrorOptions & OperationOptions = {},
): Promise<MirrorResult> {
  checkReplica(source, 'source', 'mirror')
  checkReplica(destination, 'destination', 'mirror')
  const { signal, timeout, storage, onOutage, ...given } = readOperation('mirror', options)
  const { mirror } = await import('./mirror/mirror.js')
  return withDeadline('mirroring a replica', { signal, timeout }, (linked) =>
    withClient(source, { storage, onOutage, signal: linked }, (from) =>
      withClient(destination, { storage, onOutage, signal: linked }, (to) =>
        mirror(from, to, { ...given, signal: linked }),
      ),
    ),
  )
}

/**
 * Keeps a copy of a replica in another store up to date until `signal` is aborted. The promise then
 * resolves. If a pass fails, calls `onError` and repeats the pass.
 *
 * @throws REPLICA_FENCED if a primary replicates to the destination, and REPLICA_RESET if the
 * destination is not a copy of the source. Also throws errors that occur when the stores are
 * opened.
 *
 * @example
 * const signal = AbortSignal.timeout(500)
 * await followMirror('s3://bucket/app.db', 's3://bucket/mirrored', { signal, interval: '1s' })
 */
export async function followMirror(
  source: string | ReplicaClient,
  destination: string | ReplicaClient,
  options: FollowMirrorOptions & Pick<OperationOptions, 'storage' | 'onOutage'>,
): Promise<void> {
  checkReplica(source, 'source', 'followMirror')
  checkReplica(destination, 'destination', 'followMirror')
  const { storage, onOutage, ...given } = readOperation('followMirror', options)
  const { followMirror } = await import('./mirror/mirror.js')
  const { signal } = given
  await withClient(source, { storage, onOutage, signal }, (from) =>
    withClient(destination, { storage, onOutage, signal }, (to) => followMirror(from, to, given)),
  )
}

/**
 * Reads the header, the page index and the trailer of one LTX file of a replica. Does not read the
 * pages.
 *
 * @throws LTX_CORRUPT if the header, the page index or the trailer is damaged, and NOT_FOUND if the
 * file does not exist. Also throws errors of the store.
 *
 * @example
 * const [file] = await planRestore('s3://bucket/app.db')
 * const { header, pageCount } = await inspectLtx('s3://bucket/app.db', file)
 */
export function inspectLtx(
  replica: string | ReplicaClient,
  file: LtxFileRef,
  options: OperationOptions = {},
): Promise<LtxSummary> {
  return onReplica('inspectLtx', 'inspecting an LTX file', replica, options, async (client, request) => {
    const { inspectLtx } = await import('./ltx/inspect.js')
    const { size } = await client.stat(file, request)
    const read = async (offset: number, length: number) => (await client.read(file, { offset, length }, request)).data
    return inspectLtx(read, size, fileLabel(client, file))
  })
}

/**
 * Reads one LTX file of a replica and checks all its content.
 *
 * @throws LTX_CORRUPT at the first fault, and NOT_FOUND if the file does not exist. Also throws
 * errors of the store.
 *
 * @example
 * const [file] = await planRestore('s3://bucket/app.db')
 * const { pageCount } = await verifyLtx('s3://bucket/app.db', file)
 */
export function verifyLtx(
  replica: string | ReplicaClient,
  file: LtxFileRef,
  options: OperationOptions = {},
): Promise<LtxSummary> {
  return onReplica('verifyLtx', 'verifying an LTX file', replica, options, async (client, request) => {
    const { verifyLtx } = await import('./ltx/verify.js')
    return verifyLtx(client.stream(file, request), fileLabel(client, file))
  })
}
