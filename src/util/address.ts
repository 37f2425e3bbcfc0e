import { isIP } from 'node:net'

/**
 * Splits an address of the form `host:port`. The host may be empty or in brackets. Returns
 * undefined for an address without a port.
 */
export function splitAddress(addr: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(addr)
  if (!match || Number(match[3]) > 65535) return undefined
  const host = match[1] ?? match[2] ?? ''
  if (match[1] !== undefined && isIP(host) !== 6) return undefined
  return { host, port: Number(match[3]) }
}
