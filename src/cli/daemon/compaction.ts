import { createReadStream, openSync } from 'node:fs'
import { CompactionScheduler } from '../../compaction/scheduler.js'
import type { Config } from '../../config/types.js'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { SNAPSHOT_LEVEL } from '../../ltx/format.js'
import { formatTxid } from '../../ltx/txid.js'
import type { DatabaseMetrics } from '../../metrics/database-metrics.js'
import { isErrno } from '../../storage/file/fs-error.js'
import type { LtxFileRef, ReplicaClient } from '../../storage/replica-client.js'
import type { Logger } from '../../util/logger.js'
import type { ManagedDatabase } from './managed-database.js'

export interface SchedulerParts {
  readonly database: ManagedDatabase
  readonly client: ReplicaClient
  readonly config: Config
  readonly logger: Logger
  readonly metrics: DatabaseMetrics
}

/** The compaction of one database's replica, with its log and its metrics. */
export function createScheduler({ database, client, config, logger, metrics }: SchedulerParts): CompactionScheduler {
  return new CompactionScheduler(client, config, {
    local: (file) => localFile(database, file),
    observer: {
      written({ level, file, durationMs }) {
        metrics.compacted(database.path, level, durationMs / 1000)
        const { size } = file
        const txids = { minTXID: formatTxid(file.minTxid), maxTXID: formatTxid(file.maxTxid) }
        if (level === SNAPSHOT_LEVEL) logger.info({ txid: txids.maxTXID, size }, 'snapshot complete')
        else logger.info({ ltxLevel: level, ...txids, size }, 'compaction complete')
      },
      deleted({ level, files }) {
        logger.info(
          { ltxLevel: level, files: files.length },
          level === 0 ? 'l0 retention enforced' : 'retention enforced',
        )
      },
      fault({ level, error }) {
        metrics.verifyFailed(database.path)
        logger.warn({ ltxLevel: level, error: error.message }, 'the replica has a fault')
      },
      error({ task, level, error, failures }) {
        const { message, code } = isLitestreamError(error)
          ? error
          : new LitestreamError('STORAGE_FAILED', error instanceof Error ? error.message : String(error), {
              cause: error,
            })
        logger.error({ ltxLevel: level, error: message, code, failures }, `${task} failed`)
      },
    },
  })
}

/** The bytes of a level 0 file that is still staged beside the database: no need to fetch it. */
function localFile(database: ManagedDatabase, file: LtxFileRef): AsyncIterable<Uint8Array> | undefined {
  const staging = database.replicator?.primary?.staging
  if (file.level !== 0 || !staging) return undefined
  try {
    // Opened now: the uploader may remove it at any moment.
    return createReadStream('', { fd: openSync(staging.pathOf(file.maxTxid), 'r') })
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}
