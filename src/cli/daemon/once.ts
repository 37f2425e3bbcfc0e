import type { Config } from '../../config/types.js'
import type { LitestreamError } from '../../errors.js'
import { formatTxid } from '../../ltx/txid.js'
import type { Logger } from '../../util/logger.js'
import { abortOnSignals } from '../signals.js'
import { Daemon } from './daemon.js'

export interface OnceFlags {
  readonly forceSnapshot?: boolean
  readonly enforceRetention?: boolean
}

/** Brings every database's replica up to date, one after another. Returns the exit status: 1 if any of them could not be. */
export async function replicateOnceAll(config: Config, logger: Logger, flags: OnceFlags): Promise<number> {
  const daemon = new Daemon(config, logger)
  let failures = 0
  await daemon.open({ monitor: false })
  await abortOnSignals(async (signal) => {
    for (const database of daemon.databases) {
      if (signal.aborted) break
      try {
        const { txid, replicaTxid } = await database.sync(true)
        logger.info(
          { db: database.path, txid: formatTxid(txid), replicaTxid: formatTxid(replicaTxid ?? 0) },
          'database synced',
        )
        await database.maintain({ snapshot: flags.forceSnapshot, retention: flags.enforceRetention })
      } catch (error) {
        failures++
        const { message, code, hint } = error as LitestreamError
        logger.error({ db: database.path, error: message, code, hint }, 'sync failed')
      }
    }
    // What could not be synced just now is not tried again for half a minute.
    failures += await daemon.close(failures > 0 ? AbortSignal.abort() : signal)
    if (signal.aborted) failures++
  })
  return failures === 0 ? 0 : 1
}
