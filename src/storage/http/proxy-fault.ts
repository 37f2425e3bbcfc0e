import { networkCode } from '../network-errors.js'
import type { ProxyServer } from './proxy.js'

/** The error for a proxy that is unreachable, or that refuses a connection. */
export class ProxyFault extends Error {
  override readonly name = 'ProxyFault'
  /** The system's error code. If the proxy refused the connection, the code is PROXY_REFUSED. */
  readonly code: string
  /**
   * Status of the proxy's response to the request CONNECT. The status is undefined if the proxy has
   * not responded.
   */
  readonly status: number | undefined
  readonly hint: string

  private constructor(message: string, { variable }: ProxyServer, code: string, status?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.status = status
    this.hint = hintOf(variable, status)
  }

  static refused(proxy: ProxyServer, host: string, status: number, words: string): ProxyFault {
    const answer = `${status} ${words}`.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)
    return new ProxyFault(
      `the proxy ${proxy.shown} refused a connection to ${host}: ${answer.trim()}`,
      proxy,
      'PROXY_REFUSED',
      status,
    )
  }

  static unreachable(proxy: ProxyServer, cause: unknown): ProxyFault {
    const message = cause instanceof Error && cause.message ? cause.message : String(cause)
    const text = `the proxy ${proxy.shown} cannot be used: ${message}`
    return new ProxyFault(text, proxy, networkCode(cause) ?? 'PROXY_FAILED', undefined, cause)
  }
}

/** Returns the hint for the status of a proxy's response. */
export function hintOf(variable: string, status: number | undefined): string {
  if (status === 407)
    return `Put the user and the password of the proxy into ${variable}: http://USER:PASSWORD@HOST:PORT.`
  if (status === 403) return `Allow connections to this host and port in the proxy, or add the host to NO_PROXY.`
  if (status !== undefined) return `Check that the proxy can reach the host, or add the host to NO_PROXY.`
  return `Correct ${variable}, or add the host of the endpoint to NO_PROXY to connect without the proxy.`
}
