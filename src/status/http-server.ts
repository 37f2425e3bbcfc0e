import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isLitestreamError, LitestreamError, toLitestreamError } from '../errors.js'
import { splitAddress } from '../util/address.js'
import type { ErrorHandler } from '../util/timers.js'
import { createBoundedServer, listen, requestUrl, sendAnswer } from './bounded-server.js'
import type { StatusSource } from './document.js'
import { isLoopback, isOwnHost } from './host-check.js'
import { statusPage } from './page.js'
import { isHealthy } from './verdict.js'

const SECURITY_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
}

const ROUTES = ['/', '/metrics', '/healthz', '/status.json', '/events']

/** The address for a configured address without a host: `:9090` listens only on this machine. */
const LOOPBACK = '127.0.0.1'

/** The address to listen on for a configured address. */
export function listenAddress({ host, port }: { readonly host: string; readonly port: number }) {
  return { host: host || LOOPBACK, port }
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

const text = (status: number, body: string): Answer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${body}\n`,
})

/**
 * Serves metrics, health and the status page. Read-only; only for this machine unless `addr` names
 * another host.
 */
export class HttpServer {
  readonly #source: StatusSource
  readonly #server: Server
  /** As configured; "" if the address has no host. */
  readonly #host: string

  private constructor(source: StatusSource, host: string) {
    this.#source = source
    this.#host = host
    this.#server = createBoundedServer(
      (request, response) => this.#handle(request, response),
      (error) => source.onError('', toLitestreamError(error)),
    )
  }

  /**
   * Throws INVALID_ARGUMENT for an invalid address, and UNAVAILABLE if it cannot listen.
   * `onFailed`: called when a listening server fails.
   */
  static async listen(source: StatusSource, addr: string, onFailed: ErrorHandler = () => {}): Promise<HttpServer> {
    const address = splitAddress(addr)
    if (!address) {
      throw new LitestreamError('INVALID_ARGUMENT', `must specify port for bind address: ${JSON.stringify(addr)}`, {
        hint: 'Write host:port, as in 127.0.0.1:9090.',
      })
    }
    const server = new HttpServer(source, address.host)
    try {
      await listen(server.#server, listenAddress(address), onFailed)
    } catch (cause) {
      throw new LitestreamError('UNAVAILABLE', `cannot listen on ${addr}: ${(cause as Error).message}`, {
        cause,
        hint: 'Choose another `addr`, or stop the process that listens there.',
      })
    }
    return server
  }

  /** `http://host:port`, with the actual port. */
  get address(): string {
    const { address, port } = this.#server.address() as AddressInfo
    const host =
      address === '::' || address === '0.0.0.0' ? 'localhost' : address.includes(':') ? `[${address}]` : address
    return `http://${host}:${port}`
  }

  /** From now on the server does not keep the process alive. */
  unref(): void {
    this.#server.unref()
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer | undefined
    try {
      answer = await this.#answer(request, response)
      if (!answer) return
    } catch (error) {
      const { message } = toLitestreamError(error)
      const status = isLitestreamError(error, 'INVALID_ARGUMENT') ? 400 : 500
      if (status === 500) this.#source.onError(request.url ?? '/', toLitestreamError(error))
      answer = text(status, message)
    }
    const { status, type, body, headers } = answer
    sendAnswer(request, response, status, { ...SECURITY_HEADERS, ...headers, 'Content-Type': type }, body)
  }

  /** Undefined: the response is a stream, which has begun. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> {
    const url = requestUrl(request)
    if (!url) return text(400, 'Correct the path of the request.')
    if (!ROUTES.includes(url.pathname)) return text(404, `The paths are ${ROUTES.join(', ')}.`)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return { ...text(405, 'read-only: use GET'), headers: { Allow: 'GET, HEAD' } }
    }
    const { localAddress, remoteAddress } = request.socket
    const own = isOwnHost(request.headers.host, this.#host, localAddress)
    if (url.pathname === '/healthz') return this.#health(url.searchParams.get('max-lag'), own)
    if (!own) {
      const { host = '' } = request.headers
      return text(
        403,
        `The Host header ${JSON.stringify(host)} does not name this server: use an IP address, or add the name to \`addr\`.`,
      )
    }
    if (url.pathname === '/metrics') {
      return { status: 200, type: this.#source.metricsType, body: await this.#source.metrics() }
    }
    // An address without a host listens only on loopback; this check also refuses forwarded
    // connections.
    if (this.#host === '' && !isLoopback(remoteAddress)) {
      return text(
        403,
        'The status page answers only requests from this machine: put a host into `addr` to open it to others.',
      )
    }
    if (url.pathname === '/events') return this.#events(request, response, url)
    if (url.pathname === '/') return { status: 200, type: 'text/html; charset=utf-8', body: statusPage() }
    return { status: 200, type: 'application/json', body: JSON.stringify(await this.#source.status()) }
  }

  #events(request: IncomingMessage, response: ServerResponse, url: URL): Answer | undefined {
    const { events } = this.#source
    if (!events) return text(404, 'This process has no events.')
    const filter = url.searchParams.get('path') ?? undefined
    if (events.serve(request, response, filter, SECURITY_HEADERS)) return undefined
    return text(503, 'Too many clients follow the events: disconnect one of them.')
  }

  /**
   * A load balancer sends its own Host header: it gets only the verdict, without paths and errors.
   */
  #health(maxLag: string | null, own: boolean): Answer {
    const result = this.#source.health(maxLag)
    const body = own ? result : { status: result.status }
    return {
      status: isHealthy(result) ? 200 : 503,
      type: 'application/json',
      body: `${JSON.stringify(body, null, 2)}\n`,
    }
  }
}
