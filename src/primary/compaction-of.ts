import { CompactionScheduler } from '../compaction/scheduler.js'
import type { CompactionSettings } from '../compaction/settings.js'
import { isLitestreamError, type LitestreamError } from '../errors.js'
import { streamRegular } from '../fs/open-regular.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import { guarded } from '../util/timers.js'
import type { PrimaryObserver } from './events.js'
import { databaseError } from './source/database-error.js'
import type { PrimaryDatabase } from './sync/primary-database.js'

/**
 * Creates the compaction scheduler of a primary's replica. The scheduler reads staged L0 files from
 * the local disk, and all other files from the replica. The primary emits the scheduler's results
 * and errors as its own events. In a write-once replica, the scheduler deletes no files and renews
 * the snapshots of an idle database. For `onDamage`, see CompactionSchedulerOptions.
 */
export function compactionOf(
  primary: PrimaryDatabase,
  client: ReplicaClient,
  settings: CompactionSettings,
  observe: PrimaryObserver,
  onDamage: (error: LitestreamError) => Promise<void> = async () => {},
): CompactionScheduler {
  const db = primary.path
  const retentionEnabled = settings.retentionEnabled && !client.writeOnce
  const touch = client.writeOnce ? { renew: () => primary.touch() } : {}
  return new CompactionScheduler(
    client,
    { ...settings, retentionEnabled },
    {
      ...touch,
      local: ({ level, maxTxid }) => {
        const path = level === 0 ? primary.staging.find(maxTxid) : undefined
        return path === undefined ? undefined : streamRegular(path, 256 * 1024)
      },
      onDamage: guarded(onDamage),
      observer: {
        written: ({ level, file, durationMs }) => {
          const { minTxid, maxTxid, size } = file
          observe('compaction', { db, level, minTxid, maxTxid, size, durationMs })
        },
        deleted: ({ level, files }) => {
          observe('retention', {
            db,
            level,
            files: files.length,
            bytes: files.reduce((sum, { size }) => sum + size, 0),
          })
        },
        fault: ({ error }) => observe('error', { db, operation: 'compaction', error, failures: 1, retryMs: undefined }),
        recovered: () => observe('recover', { db, operation: 'compaction' }),
        error: ({ error, failures, retryMs }) => {
          const ours = isLitestreamError(error) ? error : databaseError(error, db, 'compacting the replica')
          observe('error', { db, operation: 'compaction', error: ours, failures, retryMs })
        },
      },
    },
  )
}
