import { isIP } from 'node:net'
import { hostname } from 'node:os'

/** Whether `address` is one of this machine's loopback addresses. */
export function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (/^(::ffff:)?127\./.test(address) || address === '::1')
}

/** The host of a `Host` header, in lower case, without port, brackets and final dot; undefined for a header that is malformed. */
export function hostOf(header: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/@\s]+))(?::\d{1,5})?$/i.exec(header ?? '')
  const host = (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, '')
  return host === '' ? undefined : host
}

/**
 * Whether a request's `Host` names this server. A browser that an attacker's page has led here by DNS (rebinding) sends the
 * attacker's name. Accepted are names and addresses of loopback, the host of the configured address, the name of the machine, and the
 * address that the connection came to: no name of an attacker is one of these.
 */
export function isOwnHost(header: string | undefined, configured: string, localAddress: string | undefined): boolean {
  const host = hostOf(header)
  if (host === undefined) return false
  if (host === 'localhost' || host.endsWith('.localhost') || (isIP(host) !== 0 && isLoopback(host))) return true
  if (host === configured.toLowerCase() || host === hostname().toLowerCase()) return true
  return isIP(host) !== 0 && host === localAddress?.replace(/^::ffff:/, '').toLowerCase()
}
