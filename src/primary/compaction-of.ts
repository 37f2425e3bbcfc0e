import { existsSync } from 'node:fs'
import { CompactionScheduler, type CompactionSettings } from '../compaction/scheduler.js'
import { isLitestreamError } from '../errors.js'
import { streamRegular } from '../fs/open-regular.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import type { PrimaryObserver } from './events.js'
import { databaseError } from './source/database-error.js'
import type { PrimaryDatabase } from './sync/primary-database.js'

/** The compaction of a primary's replica: it reads files that are still staged from there, and tells what it does as events. */
export function compactionOf(
  primary: PrimaryDatabase,
  client: ReplicaClient,
  settings: CompactionSettings,
  observe: PrimaryObserver,
): CompactionScheduler {
  const db = primary.path
  return new CompactionScheduler(client, settings, {
    local: ({ level, maxTxid }) => {
      const path = primary.staging.pathOf(maxTxid)
      return level === 0 && existsSync(path) ? streamRegular(path, 256 * 1024) : undefined
    },
    observer: {
      written: ({ level, file, durationMs }) => {
        const { minTxid, maxTxid, size } = file
        observe('compaction', { db, level, minTxid, maxTxid, size, durationMs })
      },
      deleted: ({ level, files }) => {
        observe('retention', { db, level, files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) })
      },
      fault: ({ error }) => observe('error', { db, operation: 'compaction', error, failures: 1, retryMs: undefined }),
      error: ({ error, failures }) => {
        const ours = isLitestreamError(error) ? error : databaseError(error, db, 'compacting its replica')
        observe('error', { db, operation: 'compaction', error: ours, failures, retryMs: 1000 * 2 ** (failures - 1) })
      },
    },
  })
}
