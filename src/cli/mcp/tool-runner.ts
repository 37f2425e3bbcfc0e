import { LitestreamError, toLitestreamError } from '../../errors.js'
import { withoutSecrets } from '../../util/redact.js'
import { printable } from '../../util/terminal-text.js'
import type { Daemon } from '../daemon/daemon.js'
import { readArguments } from './arguments.js'
import type { McpLibrary } from './library.js'
import type { ToolCall } from './tool.js'
import { TOOLS } from './tools.js'

/** Maximum number of tool calls that run at the same time. */
const MAX_CALLS = 8

/** A result in the form of `CallToolResult` in the Model Context Protocol. */
export interface CallResult {
  readonly content: { readonly type: 'text'; readonly text: string }[]
  readonly structuredContent?: Record<string, unknown>
  readonly isError?: boolean
}

/** Runs tool calls of all sessions. */
export class ToolRunner {
  readonly #daemon: Daemon
  readonly #types: McpLibrary['types']
  #running = 0

  constructor(daemon: Daemon, { types }: McpLibrary) {
    this.#daemon = daemon
    this.#types = types
  }

  /**
   * Runs a tool. An error of the tool becomes a result with `isError`, so that the client's
   * language model can read the error. Throws McpError for an unknown tool.
   */
  async run(
    name: string,
    args: Record<string, unknown>,
    context: Pick<ToolCall, 'signal' | 'progress'>,
  ): Promise<CallResult> {
    const tool = TOOLS.find((one) => one.name === name)
    if (!tool) {
      const { McpError, ErrorCode } = this.#types
      throw new McpError(ErrorCode.InvalidParams, `tool ${JSON.stringify(name.slice(0, 100))} not found`)
    }
    const { logger } = this.#daemon
    if (this.#running >= MAX_CALLS) {
      const busy = `${MAX_CALLS} tool calls are running, and the server runs no more at the same time`
      return failure(new LitestreamError('UNAVAILABLE', busy, { hint: 'Repeat the call later.' }))
    }
    this.#running++
    try {
      const { text, data } = await tool.run(readArguments(tool, args), { daemon: this.#daemon, ...context })
      logger.info({ tool: name }, 'mcp tool called')
      return { content: [{ type: 'text', text: shown(text) }], structuredContent: maskedData(data) }
    } catch (error) {
      const known = toLitestreamError(error)
      logger.warn({ tool: name, error: known.message, code: known.code }, 'mcp tool failed')
      return failure(known)
    } finally {
      this.#running--
    }
  }
}

function failure({ message, hint, code }: LitestreamError): CallResult {
  const text = shown(`Error: ${message}\nTry: ${hint}\n`)
  const data = maskedData({ error: message, code, hint })
  return { content: [{ type: 'text', text }], structuredContent: data, isError: true }
}

/**
 * Escapes control characters and masks secrets, because another program may have chosen the file
 * names in the text.
 */
function shown(text: string): string {
  return printable(withoutSecrets(text))
}

function maskedData(data: object): Record<string, unknown> {
  const mask = (_: string, value: unknown) => (typeof value === 'string' ? withoutSecrets(value) : value)
  return JSON.parse(JSON.stringify(data, mask)) as Record<string, unknown>
}
