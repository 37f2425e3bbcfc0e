import { isIP } from 'node:net'

/** Splits `[host]:port`. Returns undefined if the port is missing. */
export function splitAddress(addr: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(addr)
  if (!match || Number(match[3]) > 65535) return undefined
  const host = match[1] ?? match[2] ?? ''
  if (match[1] !== undefined && isIP(host) !== 6) return undefined
  return { host, port: Number(match[3]) }
}
