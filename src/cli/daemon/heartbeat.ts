import type { Secret } from '../../util/secret.js'
import { startInterval, type Timer, timeoutSignal } from '../../util/timers.js'
import type { Daemon } from './daemon.js'

const CHECK_INTERVAL = 15_000
const REQUEST_TIMEOUT = 30_000

/** Tells a monitoring service that all is well: a GET at intervals, left out while any database is not replicated. */
export class Heartbeat {
  readonly #daemon: Daemon
  readonly #url: Secret
  readonly #interval: number
  readonly #timer: Timer
  #lastAttempt = 0
  #running: Promise<void> | undefined

  constructor(
    daemon: Daemon,
    { url, interval }: { readonly url: Secret; readonly interval: number },
    checkInterval = CHECK_INTERVAL,
  ) {
    this.#daemon = daemon
    this.#url = url
    this.#interval = interval
    this.#timer = startInterval(checkInterval, () => this.#check())
  }

  async close(): Promise<void> {
    this.#timer.stop()
    await this.#running
  }

  #check(): void {
    if (this.#running || Date.now() - this.#lastAttempt < this.#interval) return
    const since = Date.now() - this.#interval
    const open = this.#daemon.summaries().filter(({ state }) => state !== 'stopped')
    if (open.length === 0 || open.some(({ lastSyncAt }) => lastSyncAt === undefined || lastSyncAt < since)) return
    // An attempt counts even if it fails, so that a service in trouble is not asked every few seconds.
    this.#lastAttempt = Date.now()
    this.#running = this.#beat().finally(() => {
      this.#running = undefined
    })
  }

  async #beat(): Promise<void> {
    const { logger } = this.#daemon
    try {
      const response = await fetch(this.#url.reveal(), { signal: timeoutSignal(REQUEST_TIMEOUT) })
      await response.arrayBuffer()
      if (response.ok) logger.debug('heartbeat sent')
      else logger.warn({ status: response.status }, 'heartbeat refused')
    } catch (error) {
      logger.warn({ error: (error as Error).message }, 'heartbeat failed')
    }
  }
}
