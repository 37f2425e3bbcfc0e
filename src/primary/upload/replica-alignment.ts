import { identifyRemote, identifyStaged, ifSound, type LtxIdentity } from '../../levels/ltx-identity.js'
import { type FilesByLevel, listTogether } from '../../levels/plan.js'
import { LEVELS, SNAPSHOT_LEVEL } from '../../ltx/format.js'
import type { LtxFileInfo, ReplicaClient } from '../../storage/replica-client.js'
import type { PrimaryDatabase } from '../sync/primary-database.js'
import { planFault } from './replica-verdict.js'

/**
 * The result of comparing a primary with its replica. `timestamp` is the time of the newest file in
 * the replica in milliseconds since the epoch, or 0 if the replica has no file.
 */
export type Alignment =
  /** The replica ends at `txid`, and all L0 files after `txid` are staged. */
  | { readonly kind: 'continue'; readonly txid: number; readonly timestamp: number; readonly pageSize?: number }
  /**
   * The replica ends at `txid`, and the staged files do not continue the replica's newest file. The
   * next file must therefore hold the whole database.
   */
  | {
      readonly kind: 'start-over'
      readonly txid: number
      readonly timestamp: number
      readonly reason: string
      readonly publishSnapshot: boolean
    }

/** Compares a primary with its replica before the first upload. */
export async function alignWithReplica(primary: PrimaryDatabase, client: ReplicaClient): Promise<Alignment> {
  const files = await listTogether(client)
  const newest = newestFile(files)
  const staged = new Set(primary.staging.list().map((file) => file.txid))
  const { txid, state } = primary
  if (!newest) {
    if (allStaged(staged, 1, txid)) return { kind: 'continue', txid: 0, timestamp: 0 }
    return startOver(0, 0, 'the replica is empty', false)
  }
  const end = newest.maxTxid
  const fault = planFault(files, end)
  if (fault) return startOver(end, newest.createdAt, fault, true)
  const remote = await ifSound(() => identifyRemote(client, newest))
  if (!remote) return startOver(end, newest.createdAt, 'the newest file in the replica is damaged', true)
  const { timestamp } = remote
  const pageSize = primary.status().pageSize
  if (remote.pageSize !== pageSize) {
    // The primary skips one TXID, so that compaction never merges files of different page sizes. A
    // restore needs no file for the skipped TXID, because the next file is a snapshot.
    return startOver(end + 1, timestamp, `the replica has pages of ${remote.pageSize} bytes`, true)
  }
  if (end > txid) {
    const reason =
      txid === 0
        ? 'the files in the replica were written before the state file'
        : 'the replica has newer files than the state file'
    return startOver(end, timestamp, reason, false)
  }
  const ours = staged.has(end) ? await ifSound(() => identifyStaged(primary.staging.pathOf(end))) : undefined
  if (!isOurs(newest, remote, ours ?? (state?.uploaded?.txid === end ? state.uploaded : undefined))) {
    return startOver(end, timestamp, 'the replica has files that do not belong to the history of this database', false)
  }
  if (!allStaged(staged, end + 1, txid)) return startOver(end, timestamp, 'staged files are missing', false)
  return { kind: 'continue', txid: end, timestamp, pageSize }
}

/**
 * Returns the file with the highest max TXID. If several files have the same max TXID, returns the
 * file of the lowest level.
 */
function newestFile(files: FilesByLevel): LtxFileInfo | undefined {
  let newest: LtxFileInfo | undefined
  for (const level of LEVELS) {
    for (const file of files[level] ?? []) if (!newest || file.maxTxid > newest.maxTxid) newest = file
  }
  return newest
}

/**
 * Whether the newest file of the replica comes from this primary. Any process may have written a
 * compacted file. If the timestamp of a compacted file is equal to the timestamp of this primary's
 * last file, the compacted file contains this last file.
 */
function isOurs(
  file: LtxFileInfo,
  remote: LtxIdentity,
  ours: Pick<LtxIdentity, 'timestamp' | 'checksum'> | undefined,
): boolean {
  if (!ours) return false
  if (file.level === 0) return remote.checksum === ours.checksum
  return file.level === SNAPSHOT_LEVEL || remote.timestamp === ours.timestamp
}

function allStaged(staged: ReadonlySet<number>, from: number, to: number): boolean {
  for (let txid = from; txid <= to; txid++) if (!staged.has(txid)) return false
  return true
}

function startOver(txid: number, timestamp: number, reason: string, publishSnapshot: boolean): Alignment {
  return { kind: 'start-over', txid, timestamp, reason, publishSnapshot }
}
