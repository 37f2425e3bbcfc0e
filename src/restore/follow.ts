import { LitestreamError } from '../errors.js'
import { ownershipLike } from '../fs/owner.js'
import { removeFile } from '../fs/remove.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import type { Resolved } from '../util/check-arguments.js'
import { withDeadline } from '../util/wait.js'
import { type Position, reconcile, resume, savedPosition, savePosition } from './follow-position.js'
import { Follower, type FollowOptions } from './follower.js'
import { FollowerFile } from './follower-file.js'
import { OutputClaim, refuseInsideReplica } from './output.js'
import { restoreAnd } from './restore.js'

export type { FollowOptions } from './follower.js'

/**
 * Restores a database and then applies new LTX files of the replica until the signal aborts. Any
 * program may read the database through SQLite at any time, and sees only complete transactions.
 * Other programs must not write to the database. The file `<output>-txid` holds the TXID of the
 * database. If the database and its -txid file exist, following continues from the TXID in the
 * -txid file. Litestream's own follower may also have written the database and its -txid file.
 * Other processes must not restore to the output of a running `follow`. Throws the errors of
 * restore(). Throws OUTPUT_EXISTS for a database without the -txid file, REPLICA_RESET if the
 * replica was reset, and HYDRATION_CONFLICT if another program wrote to the database.
 */
export async function follow(client: ReplicaClient, options: Resolved<FollowOptions>): Promise<void> {
  const { output, signal } = options
  if (signal.aborted) return
  refuseInsideReplica(output, client)
  const claim = await OutputClaim.take(output, { wait: false, signal })
  try {
    await followClaimed(client, { ...options, output: claim.path }, claim)
  } finally {
    await claim.release()
  }
}

async function followClaimed(
  client: ReplicaClient,
  options: Resolved<FollowOptions>,
  claim: OutputClaim,
): Promise<void> {
  const { output, signal, timeout } = options
  const saved = await resume(output, options.force ?? false)
  try {
    if (saved === undefined) {
      await withDeadline(`restoring ${client.url}`, { signal, timeout }, (linked = signal) => {
        return start(client, { ...options, signal: linked }, claim)
      })
    }
  } catch (error) {
    if (signal.aborted) return
    throw error
  }
  const file = await FollowerFile.open(output, saved)
  try {
    const at =
      saved === undefined || file.wasAdopted
        ? (saved ?? (await savedPosition(output)))
        : reconcile(output, saved, file.counter)
    options.onAdvance?.({ txid: at.txid, files: 0 })
    await new Follower(client, file, at, options).run()
  } finally {
    await file.close()
  }
}

async function start(client: ReplicaClient, options: Resolved<FollowOptions>, claim: OutputClaim): Promise<void> {
  const { output, onWarning } = options
  const finish = async (temporary: string, { txid, timestamp }: Position) => {
    if (txid === 0) {
      throw new LitestreamError(
        'TXID_NOT_AVAILABLE',
        `${client.url} was written by Litestream 0.3, which cannot be followed`,
        {
          file: client.url,
          hint: 'Restore the replica without -f. A restore can only follow a replica that litestream-ts or Litestream 0.5 has written.',
        },
      )
    }
    await FollowerFile.prepare(temporary, txid)
    // The -txid file is written after the old database is removed and before the new database is
    // renamed. A -txid file without a database does no harm. A database beside the -txid file of
    // another database would be continued from the wrong position.
    await removeFile(output)
    await savePosition(output, { txid, timestamp }, await ownershipLike(temporary))
  }
  const { warnings } = await restoreAnd(client, options, { claim, finish })
  for (const warning of warnings) onWarning?.(warning)
}
