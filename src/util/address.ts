import { isIP } from 'node:net'

/** `[host]:port`, where the port is what counts. Returns undefined where there is none. */
export function splitAddress(addr: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(addr)
  if (!match || Number(match[3]) > 65535) return undefined
  const host = match[1] ?? match[2] ?? ''
  if (match[1] !== undefined && isIP(host) !== 6) return undefined
  return { host, port: Number(match[3]) }
}
