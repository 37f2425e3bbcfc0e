import { isIP } from 'node:net'
import { hostname } from 'node:os'

/** Whether `address` is one of this machine's loopback addresses. */
export function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (/^(::ffff:)?127\./.test(address) || address === '::1')
}

/**
 * Returns the host of a `Host` header in lower case. The result omits port, brackets and final dot.
 * Returns undefined for a malformed header.
 */
export function hostOf(header: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/@\s]+))(?::\d{1,5})?$/i.exec(header ?? '')
  const host = (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, '')
  return host === '' ? undefined : host
}

/**
 * Whether the `Host` header of a request names this HTTP server. The check of the `Host` header
 * protects against DNS rebinding. In such an attack, the browser sends the host name of the
 * attacker's web site. isOwnHost() accepts loopback names and addresses, the host of the configured
 * address, the name of the machine, and the local address of the connection.
 */
export function isOwnHost(header: string | undefined, configured: string, localAddress: string | undefined): boolean {
  const host = hostOf(header)
  if (host === undefined) return false
  if (host === 'localhost' || host.endsWith('.localhost') || (isIP(host) !== 0 && isLoopback(host))) return true
  if (host === configured.toLowerCase() || host === hostname().toLowerCase()) return true
  return isIP(host) !== 0 && host === localAddress?.replace(/^::ffff:/, '').toLowerCase()
}
