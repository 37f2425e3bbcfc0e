import { LitestreamError } from '../../errors.js'
import { isHealthy } from '../../status/verdict.js'
import { hintOf as proxyHint } from '../../storage/http/proxy-fault.js'
import { statusOf } from '../../storage/http/status-of.js'
import { monotonicMs } from '../../util/monotonic.js'
import type { Secret } from '../../util/secret.js'
import { startInterval, type Timer, timeoutSignal } from '../../util/timers.js'
import type { Daemon } from './daemon.js'
import type { Part } from './part-faults.js'

const CHECK_INTERVAL = 15_000
const REQUEST_TIMEOUT = 30_000

/** Sends a GET request to a monitoring service at intervals while every database is replicated. */
export class Heartbeat {
  readonly #daemon: Daemon
  readonly #url: Secret
  readonly #interval: number
  readonly #part: Part
  readonly #timer: Timer
  readonly #closing = new AbortController()
  #lastAttempt = Number.NEGATIVE_INFINITY

  constructor(
    daemon: Daemon,
    { url, interval }: { readonly url: Secret; readonly interval: number },
    checkInterval = CHECK_INTERVAL,
  ) {
    this.#daemon = daemon
    this.#url = url
    this.#interval = interval
    this.#part = { part: 'heartbeat', name: String(url), replication: false }
    this.#timer = startInterval(checkInterval, () => this.#check())
  }

  async close(): Promise<void> {
    this.#timer.stop()
    this.#closing.abort()
  }

  async #check(): Promise<void> {
    if (monotonicMs() - this.#lastAttempt < this.#interval || !this.#allIsWell()) return
    // The time of the attempt is set before the request, so that a failed request is repeated only
    // after the whole interval.
    this.#lastAttempt = monotonicMs()
    try {
      await this.#beat()
      this.#daemon.logger.debug('heartbeat sent')
      this.#daemon.faults.works(this.#part)
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#daemon.faults.failed(this.#part, error, this.#interval)
    }
  }

  /**
   * Returns whether /healthz would report a healthy process, and whether every database was
   * completely replicated within the interval.
   */
  #allIsWell(): boolean {
    if (!isHealthy(this.#daemon.health(null))) return false
    const since = Date.now() - this.#interval
    const open = this.#daemon.summaries().filter(({ state }) => state !== 'stopped')
    return open.length > 0 && open.every(({ lastSyncAt }) => lastSyncAt !== undefined && lastSyncAt >= since)
  }

  async #beat(): Promise<void> {
    const signal = AbortSignal.any([this.#closing.signal, timeoutSignal(REQUEST_TIMEOUT)])
    const { status, proxy } = await statusOf(new URL(this.#url.reveal()), signal)
    if (status >= 200 && status < 300) return
    const through = proxy === undefined ? '' : `, through the proxy ${proxy.shown}`
    throw new LitestreamError('UNAVAILABLE', `the monitoring service answered with status ${status}${through}`, {
      hint: status === 407 && proxy ? proxyHint(proxy.variable, status) : 'Check `heartbeat-url`.',
    })
  }
}
