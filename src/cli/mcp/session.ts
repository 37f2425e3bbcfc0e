import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { onAbort } from '../../util/abort.js'
import { elapsedMs } from '../../util/elapsed.js'
import { version } from '../../version.js'
import type { McpLibrary } from './library.js'
import type { ToolRunner } from './tool-runner.js'
import { describeTools } from './tools.js'

/** The server name of Litestream's MCP server, which some clients may check. */
const NAME = 'Litestream MCP Server'

/** Minimum time between two progress notifications of one call, in milliseconds. */
const PROGRESS_MS = 1000

/** The session of one MCP client, which the request `initialize` opens. */
export class McpSession {
  /** The ID of the session, or undefined until the client has sent `initialize`. */
  id: string | undefined
  /** Time of the newest request, from `elapsedMs()`. */
  usedAt = elapsedMs()
  readonly #server: Server
  readonly #transport: StreamableHTTPServerTransport
  /** The controller that aborts the tool call of each running request, by JSON-RPC ID. */
  readonly #calls = new Map<string | number, AbortController>()

  private constructor(library: McpLibrary, runner: ToolRunner) {
    const { Server, Transport, types } = library
    this.#server = new Server({ name: NAME, version }, { capabilities: { tools: {} } })
    this.#transport = new Transport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => {
        this.id = id
      },
    })
    this.#server.setRequestHandler(types.ListToolsRequestSchema, async () => ({ tools: describeTools() }))
    this.#server.setRequestHandler(types.CallToolRequestSchema, async ({ params }, extra) => {
      const call = new AbortController()
      const unlink = onAbort(extra.signal, () => call.abort(extra.signal.reason))
      this.#calls.set(extra.requestId, call)
      let last = Number.NEGATIVE_INFINITY
      const progress = (done: number, total: number) => {
        const progressToken = extra._meta?.progressToken
        if (progressToken === undefined || (elapsedMs() - last < PROGRESS_MS && done < total)) return
        last = elapsedMs()
        const notification = { progressToken, progress: done, total }
        // The notification fails if the client has disconnected. The code ignores the error of the
        // notification, because the `close` event of the response aborts the tool call.
        extra.sendNotification({ method: 'notifications/progress', params: notification }).catch(() => undefined)
      }
      try {
        const result = await runner.run(params.name, params.arguments ?? {}, { signal: call.signal, progress })
        return { ...result }
      } finally {
        unlink()
        this.#calls.delete(extra.requestId)
      }
    })
  }

  static async open(library: McpLibrary, runner: ToolRunner): Promise<McpSession> {
    const session = new McpSession(library, runner)
    await session.#server.connect(session.#transport as Transport)
    return session
  }

  /** Whether a tool call of the session is running. */
  get busy(): boolean {
    return this.#calls.size > 0
  }

  /**
   * Passes a request to the SDK, which sends the response. `body` is the parsed body of a POST
   * request.
   */
  async handle(request: IncomingMessage, response: ServerResponse, body?: unknown): Promise<void> {
    this.usedAt = elapsedMs()
    const ids = idsOf(body)
    response.once('close', () => {
      if (response.writableFinished) return
      // The client has disconnected and cannot receive the results of its calls, so the calls are
      // aborted.
      for (const id of ids) this.#calls.get(id)?.abort(new Error('the client has disconnected'))
    })
    await this.#transport.handleRequest(request, response, body)
  }

  /** Ends the session and aborts its tool calls. */
  async close(): Promise<void> {
    for (const call of this.#calls.values()) call.abort(new Error('the session has ended'))
    await this.#server.close()
  }
}

/** Returns the IDs of the JSON-RPC requests in a body. */
function idsOf(body: unknown): (string | number)[] {
  const messages: unknown[] = Array.isArray(body) ? body : [body]
  return messages.flatMap((message) => {
    const id = typeof message === 'object' && message !== null ? (message as { id?: unknown }).id : undefined
    return typeof id === 'string' || typeof id === 'number' ? [id] : []
  })
}
