import type { Daemon } from '../daemon/daemon.js'

/**
 * The arguments of a tool call that `readArguments` has checked. An argument that the client did
 * not set is absent.
 */
export type ToolArguments = Readonly<Record<string, string | boolean>>

/** A parameter of a tool, in the format of JSON Schema. */
export interface ToolParameter {
  readonly type: 'string' | 'boolean'
  readonly description: string
}

/** One call of a tool. */
export interface ToolCall {
  readonly daemon: Daemon
  /**
   * Aborts when the client cancels the call, when the client disconnects, and when the process
   * ends.
   */
  readonly signal: AbortSignal
  /** If the client asked for progress, reports progress to the client, at most once per second. */
  progress(done: number, total: number): void
}

export interface ToolAnswer {
  /** The output of the corresponding command as text. */
  readonly text: string
  /** The JSON output of the corresponding command. */
  readonly data: Readonly<Record<string, unknown>>
}

export interface Tool {
  readonly name: string
  readonly description: string
  readonly parameters: Readonly<Record<string, ToolParameter>>
  readonly required: readonly string[]
  /** Annotations in the form of `ToolAnnotations` in the Model Context Protocol. */
  readonly annotations: {
    readonly readOnlyHint: boolean
    readonly destructiveHint: boolean
    readonly idempotentHint: boolean
    /** Whether the tool sends requests to a store. */
    readonly openWorldHint: boolean
  }
  run(args: ToolArguments, call: ToolCall): Promise<ToolAnswer>
}

/** The parameter `config`, which most tools of Litestream have. */
export const CONFIG: ToolParameter = {
  type: 'string',
  description: 'Path of a configuration file. By default, the tool uses the databases of this process.',
}

export const READS_FILES = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
} as const

export const READS_STORE = { ...READS_FILES, openWorldHint: true } as const
