import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createBoundedServer, readBody, sendAnswer } from '../../status/bounded-server.js'
import { isLoopback, isOwnHost } from '../../status/host-check.js'
import { foreignHost, isForwarded, listenOn, namesServer, serverUrl } from '../../status/listen-address.js'
import type { ErrorHandler } from '../../util/timers.js'
import type { Daemon } from '../daemon/daemon.js'
import { loadMcpLibrary, type McpLibrary } from './library.js'
import { McpSession } from './session.js'
import { ToolRunner } from './tool-runner.js'

/** Maximum length of a request body in bytes. */
const MAX_BODY = 64 * 1024
/**
 * Maximum number of sessions. When a client opens another session, the server ends the session that
 * has been idle for the longest time.
 */
const MAX_SESSIONS = 32

/** An error response that the MCP server sends itself, without the SDK. */
interface Refusal {
  readonly status: number
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * The MCP server of a process, with the streamable HTTP transport on every path. Like the status
 * page, the MCP server accepts only requests whose `Host` and `Origin` headers name this server. If
 * the configured address contains no other host, the MCP server accepts only requests from this
 * machine.
 */
export class McpServer {
  readonly #library: McpLibrary
  readonly #server: Server
  readonly #runner: ToolRunner
  readonly #sessions = new Set<McpSession>()
  /** The host of the configured address, or an empty text if the address has no host. */
  #host = ''

  private constructor(daemon: Daemon, library: McpLibrary) {
    this.#library = library
    this.#runner = new ToolRunner(daemon, library)
    this.#server = createBoundedServer(
      (request, response) => this.#handle(request, response),
      (error) => daemon.logger.error({ error: (error as Error).message }, 'mcp request failed'),
    )
  }

  /**
   * Starts the server. Throws PACKAGE_MISSING without the SDK, INVALID_ARGUMENT for an invalid
   * address, and UNAVAILABLE if the server cannot listen. Calls `onFailed` if the server fails
   * later.
   */
  static async listen(daemon: Daemon, addr: string, onFailed: ErrorHandler): Promise<McpServer> {
    const server = new McpServer(daemon, loadMcpLibrary())
    server.#host = await listenOn(server.#server, 'mcp-addr', addr, onFailed)
    daemon.logger.info({ addr: server.address }, 'serving MCP')
    if (!isLoopback((server.#server.address() as AddressInfo).address)) {
      daemon.logger.warn({ addr }, 'other machines can reach the MCP server, which has no authentication')
    }
    return server
  }

  /** The URL of the server, `http://host:port`, with the port on which the server listens. */
  get address(): string {
    return serverUrl(this.#server)
  }

  async close(): Promise<void> {
    this.#server.close()
    const sessions = [...this.#sessions]
    this.#sessions.clear()
    await Promise.all(sessions.map((session) => session.close()))
    this.#server.closeAllConnections()
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refusal = this.#refusalOf(request) ?? (await this.#serve(request, response))
    if (!refusal) return
    const { status, message, headers } = refusal
    const body = JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message }, id: null })
    sendAnswer(request, response, status, { ...headers, 'Content-Type': 'application/json' }, `${body}\n`)
  }

  #refusalOf(request: IncomingMessage): Refusal | undefined {
    if (!namesServer(request, this.#host)) return { status: 403, message: foreignHost(request, 'mcp-addr') }
    if (isForwarded(request, this.#host)) {
      const message =
        'The MCP server answers only requests from this machine: put a host into `mcp-addr` to open the server to other machines.'
      return { status: 403, message }
    }
    const { origin } = request.headers
    if (origin !== undefined && !isOwnOrigin(origin, this.#host, request.socket.localAddress)) {
      return { status: 403, message: 'Web pages of other sites cannot use this server.' }
    }
    if (request.method === 'POST' || request.method === 'DELETE') return undefined
    // MCP clients use GET to receive messages that a server sends without a request. This MCP
    // server never sends a message without a request.
    return { status: 405, message: 'Use POST.', headers: { Allow: 'POST, DELETE' } }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<Refusal | undefined> {
    let body: unknown
    if (request.method === 'POST') {
      const text = await readBody(request, MAX_BODY)
      if (text === undefined) {
        const message = `The request body must have at most ${MAX_BODY} bytes.`
        return { status: 413, message, headers: { Connection: 'close' } }
      }
      try {
        body = JSON.parse(text)
      } catch {
        return { status: 400, message: 'The request body must be JSON.' }
      }
    }
    const id = request.headers['mcp-session-id']
    if (id !== undefined) {
      const session = [...this.#sessions].find((one) => one.id === id)
      if (!session) return { status: 404, message: 'The MCP session does not exist: initialize a new session.' }
      await session.handle(request, response, body)
      if (request.method === 'DELETE') await this.#end(session)
      return undefined
    }
    return this.#begin(request, response, body)
  }

  /**
   * Passes a request that has no session ID to a new session. The new session stays open only if
   * the request is `initialize`.
   */
  async #begin(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<Refusal | undefined> {
    if (this.#sessions.size >= MAX_SESSIONS) {
      const idle = [...this.#sessions].filter(({ busy }) => !busy).sort((a, b) => a.usedAt - b.usedAt)[0]
      if (!idle) return { status: 503, message: 'The server has too many sessions: wait until another call has ended.' }
      await this.#end(idle)
    }
    const session = await McpSession.open(this.#library, this.#runner)
    this.#sessions.add(session)
    try {
      await session.handle(request, response, body)
    } finally {
      if (session.id === undefined) await this.#end(session)
    }
    return undefined
  }

  async #end(session: McpSession): Promise<void> {
    this.#sessions.delete(session)
    await session.close()
  }
}

/** Returns whether the `Origin` header of a request is the origin of this server. */
function isOwnOrigin(origin: string, host: string, localAddress: string | undefined): boolean {
  return URL.canParse(origin) && isOwnHost(new URL(origin).host, host, localAddress)
}
