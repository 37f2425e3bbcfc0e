import type { Config } from '../config/types.js'
import { toLitestreamError } from '../errors.js'
import type { Health } from '../status/document.js'
import { splitAddress } from '../util/address.js'
import { timeoutSignal } from '../util/timers.js'
import { callControl } from './control-client.js'

/** Time limit for the response of a running process, in milliseconds. */
const ANSWER_MS = 3000

/** The health of the running process, as the process reports it. */
export interface ProcessHealth {
  /**
   * The health that the process reports, or undefined if the process did not respond or if the
   * configuration has neither a control socket nor an HTTP address.
   */
  readonly health: Health | undefined
  /** One error message for each configured listener that did not respond. */
  readonly silent: readonly string[]
}

/**
 * Requests the health of the process that runs this configuration, through its control socket or
 * its HTTP address. Never throws.
 */
export async function askProcess(config: Config): Promise<ProcessHealth> {
  const asked = await Promise.all([askSocket(config), askHttp(config)])
  const found = asked.find((answer): answer is Health => answer !== undefined && !(answer instanceof Error))
  return { health: found, silent: asked.filter((answer) => answer instanceof Error).map(({ message }) => message) }
}

async function askSocket({ socket }: Config): Promise<Health | Error | undefined> {
  if (!socket.enabled) return undefined
  try {
    return await callControl<Health>({ socket: socket.path, timeout: ANSWER_MS }, 'GET', '/health')
  } catch (error) {
    return new Error(`control socket: ${toLitestreamError(error).message}`)
  }
}

async function askHttp({ addr }: Config): Promise<Health | Error | undefined> {
  const address = addr === undefined ? undefined : splitAddress(addr)
  if (!address || address.port === 0) return undefined
  const host = /^(|0\.0\.0\.0|::)$/.test(address.host) ? '127.0.0.1' : address.host
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${address.port}/healthz`
  try {
    const response = await fetch(url, { signal: timeoutSignal(ANSWER_MS) })
    const health = (await response.json()) as Partial<Health>
    if (!Array.isArray(health.databases)) throw new Error('another program answers')
    return health as Health
  } catch (error) {
    const { cause, message } = error as Error
    return new Error(`http ${addr}: ${cause instanceof Error ? cause.message : message}`)
  }
}
