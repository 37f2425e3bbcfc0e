import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LitestreamError } from '../errors.js'
import { splitAddress } from '../util/address.js'
import type { StatusSource } from './document.js'
import { statusPage } from './page.js'

const SECURITY_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (/^(::ffff:)?127\./.test(address) || address === '::1')
}

/** Metrics, health and the status page. Read-only. An address without a host shows the status page to this machine only. */
export class HttpServer {
  readonly #source: StatusSource
  readonly #server: Server
  readonly #pageForAll: boolean

  private constructor(source: StatusSource, pageForAll: boolean) {
    this.#source = source
    this.#pageForAll = pageForAll
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  /** Throws INVALID_ARGUMENT where it cannot listen. */
  static async listen(source: StatusSource, addr: string): Promise<HttpServer> {
    const address = splitAddress(addr)
    if (!address) {
      throw new LitestreamError('INVALID_ARGUMENT', `must specify port for bind address: ${JSON.stringify(addr)}`, {
        hint: 'Write host:port, as in 127.0.0.1:9090.',
      })
    }
    const { host, port } = address
    const server = new HttpServer(source, host !== '')
    try {
      server.#server.listen(port, host || undefined)
      await once(server.#server, 'listening')
    } catch (cause) {
      throw new LitestreamError('INVALID_ARGUMENT', `cannot listen on ${addr}: ${(cause as Error).message}`, {
        cause,
        hint: 'Choose another `addr`, or stop what listens there.',
      })
    }
    return server
  }

  /** `http://host:port`, with the port that was given to it. */
  get address(): string {
    const { address, port } = this.#server.address() as AddressInfo
    const host =
      address === '::' || address === '0.0.0.0' ? 'localhost' : address.includes(':') ? `[${address}]` : address
    return `http://${host}:${port}`
  }

  /** From now on it does not keep the process alive. */
  unref(): void {
    this.#server.unref()
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, type: string, body: string) => {
      response.writeHead(status, { ...SECURITY_HEADERS, 'Content-Type': type })
      response.end(request.method === 'HEAD' ? undefined : body)
    }
    try {
      const url = new URL(request.url ?? '/', 'http://localhost')
      const page = this.#pageForAll || isLoopback(request.socket.remoteAddress)
      if (request.method !== 'GET' && request.method !== 'HEAD') return send(405, 'text/plain', 'read-only\n')
      if (url.pathname === '/metrics') {
        return send(200, this.#source.metricsType, await this.#source.metrics())
      }
      if (url.pathname === '/healthz') {
        const result = this.#source.health(url.searchParams.get('max-lag'))
        return send(result.status === 'ok' ? 200 : 503, 'application/json', `${JSON.stringify(result, null, 2)}\n`)
      }
      if (url.pathname === '/' || url.pathname === '/status.json') {
        if (!page)
          return send(
            403,
            'text/plain',
            'The status page is for this machine: name a host in `addr` to open it to others.\n',
          )
        if (url.pathname === '/') return send(200, 'text/html; charset=utf-8', statusPage())
        return send(200, 'application/json', JSON.stringify(await this.#source.status()))
      }
      send(404, 'text/plain', 'There are /, /metrics, /healthz and /status.json.\n')
    } catch (error) {
      this.#source.onError(request.url ?? '/', error as Error)
      const status = error instanceof LitestreamError && error.code === 'INVALID_ARGUMENT' ? 400 : 500
      send(status, 'text/plain', `${(error as Error).message}\n`)
    }
  }
}
