import { CompactionScheduler } from '../compaction/scheduler.js'
import type { CompactionSettings } from '../compaction/settings.js'
import { LitestreamError } from '../errors.js'
import { DEFAULT_LEASE_TTL } from '../levels/lease-ttl.js'
import { planRestore } from '../levels/plan.js'
import { RightToWrite } from '../replica/worker/write/right-to-write.js'
import { clientWhile } from '../storage/client-while.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { abortError, onAbort } from '../util/abort.js'

export interface CompactedReplica {
  readonly written: readonly LtxFileInfo[]
  readonly deleted: readonly LtxFileInfo[]
}

/**
 * Takes the lease of the replica, runs every compaction task that is due, and releases the lease.
 * If the replica is empty, throws REPLICA_EMPTY and does not take the lease. Throws LEASE_HELD if
 * another process holds the lease. After all tasks have run, throws the first error of a task.
 */
export async function compactReplica(
  client: ReplicaClient,
  settings: CompactionSettings,
  signal: AbortSignal,
): Promise<CompactedReplica> {
  // planRestore throws for an empty replica, because its URL may be misspelled. planRestore is
  // called before the lease is taken, because taking the lease creates `lock.json` in the empty
  // replica.
  await planRestore(client, { signal })
  const written: LtxFileInfo[] = []
  const deleted: LtxFileInfo[] = []
  const errors: unknown[] = []
  const scheduler = new CompactionScheduler(
    clientWhile(() => right.held, client),
    settings,
    {
      observer: {
        written: ({ file }) => written.push(file),
        deleted: ({ files }) => deleted.push(...files),
        error: ({ error }) => errors.push(error),
        fault: ({ error }) => errors.push(error),
      },
    },
  )
  const stop = () => void scheduler.stop()
  const right = new RightToWrite(client, DEFAULT_LEASE_TTL, {
    held: () => undefined,
    lapsed: () => {
      errors.push(lapsed(client))
      stop()
    },
    lost: (error) => errors.unshift(error),
  })
  await right.ensure()
  const unlisten = onAbort(signal, stop)
  try {
    await scheduler.runDue()
  } finally {
    unlisten()
    await scheduler.stop()
    await right.release()
  }
  if (signal.aborted) throw abortError(signal, `compacting ${client.url}`)
  if (errors.length > 0) throw errors[0]
  return { written, deleted }
}

function lapsed(client: ReplicaClient): LitestreamError {
  return new LitestreamError('ABORTED', `${client.url}: compaction stopped, because the lease has expired`, {
    file: client.url,
    hint: 'Check that the store responds, then run litestream-ts compact again.',
  })
}
