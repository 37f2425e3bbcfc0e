import { roundedDuration, type StoreOutage } from '../../storage/outage.js'
import type { Logger } from '../../util/logger.js'

/** Logs that a store does not respond, or that a store responds again. */
export function logOutage(logger: Logger, { replica, error, failures, durationMs, retryMs = 0 }: StoreOutage): void {
  const outage = roundedDuration(durationMs)
  if (error === undefined) {
    logger.info({ replica, failures, outage }, 'the store answers again')
    return
  }
  const { message, code, hint } = error
  const retry = roundedDuration(retryMs)
  logger.warn({ replica, error: message, code, hint, failures, outage, retry }, 'the store does not answer')
}
