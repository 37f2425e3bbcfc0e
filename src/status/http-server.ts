import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { isLitestreamError, toLitestreamError } from '../errors.js'
import type { ErrorHandler } from '../util/timers.js'
import { createBoundedServer, requestUrl, sendAnswer } from './bounded-server.js'
import type { StatusSource } from './document.js'
import { foreignHost, isForwarded, listenOn, namesServer, serverUrl } from './listen-address.js'
import { statusPage } from './page.js'
import { isHealthy } from './verdict.js'

const SECURITY_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
}

const ROUTES = ['/', '/metrics', '/healthz', '/status.json', '/events']

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Returns the values of all `details=PATH` parameters of the request. `?details=` requests the
 * details of no database.
 */
function detailsOf({ searchParams }: URL): string[] | undefined {
  return searchParams.has('details') ? searchParams.getAll('details') : undefined
}

const text = (status: number, body: string): Answer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${body}\n`,
})

/**
 * Serves metrics, health and the status page. All routes are read-only. Only clients on this
 * machine can connect unless `addr` names another host.
 */
export class HttpServer {
  readonly #source: StatusSource
  readonly #server: Server
  /** The host of the configured address. The field is "" if the configured address has no host. */
  #host = ''

  private constructor(source: StatusSource) {
    this.#source = source
    this.#server = createBoundedServer(
      (request, response) => this.#handle(request, response),
      (error) => source.onError('', toLitestreamError(error)),
    )
  }

  /**
   * Starts a server on `addr`. Throws INVALID_ARGUMENT for an invalid address, and UNAVAILABLE if
   * the server cannot listen. Calls `onFailed` when the listening server fails later.
   */
  static async listen(source: StatusSource, addr: string, onFailed: ErrorHandler = () => {}): Promise<HttpServer> {
    const server = new HttpServer(source)
    server.#host = await listenOn(server.#server, 'addr', addr, onFailed)
    return server
  }

  /**
   * The URL `http://host:port` of the server. The port in the URL is the one on which the server
   * actually listens.
   */
  get address(): string {
    return serverUrl(this.#server)
  }

  /** After unref(), the server does not keep the process alive. */
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

  /**
   * Returns the answer to a request. Returns undefined if the answer is a stream, which #answer()
   * has then already started.
   */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> {
    const url = requestUrl(request)
    if (!url) return text(400, 'Correct the path of the request.')
    if (!ROUTES.includes(url.pathname)) return text(404, `The paths are ${ROUTES.join(', ')}.`)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return { ...text(405, 'read-only: use GET'), headers: { Allow: 'GET, HEAD' } }
    }
    const own = namesServer(request, this.#host)
    if (url.pathname === '/healthz') return this.#health(url.searchParams.get('max-lag'), own)
    if (!own) return text(403, foreignHost(request, 'addr'))
    if (url.pathname === '/metrics') {
      return { status: 200, type: this.#source.metricsType, body: await this.#source.metrics() }
    }
    if (isForwarded(request, this.#host)) {
      return text(
        403,
        'The status page answers only requests from this machine: put a host into `addr` to open the page to other machines.',
      )
    }
    if (url.pathname === '/events') return this.#events(request, response, url)
    if (url.pathname === '/') {
      const { html, policy } = statusPage()
      const headers = { 'Content-Security-Policy': policy }
      return { status: 200, type: 'text/html; charset=utf-8', body: html, headers }
    }
    return { status: 200, type: 'application/json', body: JSON.stringify(await this.#source.status(detailsOf(url))) }
  }

  #events(request: IncomingMessage, response: ServerResponse, url: URL): Answer | undefined {
    const { events } = this.#source
    if (!events) return text(404, 'This process does not offer a stream of events.')
    const filter = url.searchParams.get('path') ?? undefined
    if (events.serve(request, response, filter, SECURITY_HEADERS)) return undefined
    return text(503, 'Too many clients follow the events: disconnect a client.')
  }

  /**
   * A load balancer sends a Host header of its own choice. A request to /healthz with a foreign
   * Host header therefore gets the verdict. For a foreign Host header, the response contains no
   * paths and no errors.
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
