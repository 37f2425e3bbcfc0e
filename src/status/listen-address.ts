import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LitestreamError } from '../errors.js'
import { splitAddress } from '../util/address.js'
import type { ErrorHandler } from '../util/timers.js'
import { listen } from './bounded-server.js'
import { isLoopback, isOwnHost } from './host-check.js'

/**
 * The host to listen on if the configured address has no host. The address `:9090` therefore means
 * this machine only.
 */
const LOOPBACK = '127.0.0.1'

/** A key of the configuration that contains an address. */
export type AddressKey = 'addr' | 'mcp-addr'

/** Returns the host and port to listen on for a configured address. */
export function listenAddress({ host, port }: { readonly host: string; readonly port: number }) {
  return { host: host || LOOPBACK, port }
}

/**
 * Listens on `addr`, the value of the key `key`. Returns the host of `addr`, or "" if `addr` has no
 * host. Throws INVALID_ARGUMENT for an invalid address, and UNAVAILABLE if the server cannot
 * listen. Calls `onFailed` when the listening server fails later.
 */
export async function listenOn(server: Server, key: AddressKey, addr: string, onFailed: ErrorHandler): Promise<string> {
  const address = splitAddress(addr)
  if (!address) {
    throw new LitestreamError('INVALID_ARGUMENT', `must specify port for bind address: ${JSON.stringify(addr)}`, {
      hint: 'Write the address as host:port, such as 127.0.0.1:9090.',
    })
  }
  try {
    await listen(server, listenAddress(address), onFailed)
  } catch (cause) {
    throw new LitestreamError('UNAVAILABLE', `cannot listen on ${addr}: ${(cause as Error).message}`, {
      cause,
      hint: `Choose another \`${key}\`, or stop the process that listens on this address.`,
    })
  }
  return address.host
}

/**
 * Returns the URL `http://host:port` of a listening server. The port in the URL is the one on which
 * the server actually listens.
 */
export function serverUrl(server: Server): string {
  const { address, port } = server.address() as AddressInfo
  const host =
    address === '::' || address === '0.0.0.0' ? 'localhost' : address.includes(':') ? `[${address}]` : address
  return `http://${host}:${port}`
}

/**
 * Whether the `Host` header of a request names the server that listens on `host`. `host` is the
 * host that listenOn() returned.
 */
export function namesServer(request: IncomingMessage, host: string): boolean {
  return isOwnHost(request.headers.host, host, request.socket.localAddress)
}

/** The response to a request whose `Host` header does not name this server. */
export function foreignHost(request: IncomingMessage, key: AddressKey): string {
  const { host = '' } = request.headers
  return `The Host header ${JSON.stringify(host)} does not name this server: use an IP address, or add the name to \`${key}\`.`
}

/**
 * Whether a proxy or a tunnel forwards the request from another machine. With an empty `host`, the
 * server listens only on loopback addresses, so no other machine can connect directly.
 */
export function isForwarded(request: IncomingMessage, host: string): boolean {
  return host === '' && !isLoopback(request.socket.remoteAddress)
}
