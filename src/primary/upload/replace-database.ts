import { writeDurably } from '../../fs/durable.js'
import { isErrno } from '../../fs/fs-error.js'
import { ownershipLike } from '../../fs/owner.js'
import type { Divergence } from '../../levels/divergence-record.js'
import { openLocalPages, pagesInOrder } from '../../levels/page-source.js'
import { restore } from '../../restore/restore.js'
import type { ReplicaClient } from '../../storage/replica-client.js'
import type { PrimaryDatabase } from '../sync/primary-database.js'

/**
 * Replaces a diverged database by a restore of the replica. First writes the pages of the staged
 * file with the whole database to the copy `<name>-diverged-<time>` in the folder of the database.
 * The PrimaryDatabase must be closed. Returns the path of the copy. Throws OUTPUT_BUSY while an
 * application has the database open, DISK_FULL, and errors of the restore.
 */
export async function replaceDatabase(
  primary: Pick<PrimaryDatabase, 'path' | 'staging'>,
  client: ReplicaClient,
  { at, local, replica }: Divergence,
  signal: AbortSignal,
): Promise<string> {
  const { path, staging } = primary
  const { txid } = local
  const copy = `${path}-diverged-${new Date(at).toISOString().replace(/[-:]|\.\d+/g, '')}`
  const staged = staging.list().find((file) => file.txid === txid)
  if (staged) {
    const place = { level: 0, minTxid: txid, maxTxid: txid, size: staged.size, createdAt: at }
    const ownership = await ownershipLike(path)
    try {
      const pages = pagesInOrder(await openLocalPages(staging.pathOf(txid), place))
      await writeDurably(copy, pages, { createOnly: true, signal, ...(ownership ? { ownership } : {}) })
    } catch (error) {
      // An earlier call has already written the copy of the diverged database.
      if (!isErrno(error, 'EEXIST')) throw error
    }
  }
  await restore(client, { output: path, force: true, txid: replica.txid, signal })
  // Files that were staged from the diverged database must not be uploaded.
  for (const file of staging.list()) if (file.txid > replica.txid) staging.remove(file.txid)
  return copy
}
