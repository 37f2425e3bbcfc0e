import type { Daemon } from '../daemon/daemon.js'

/** The arguments of a tool that `readArguments` has checked; a missing one is absent. */
export type ToolArguments = Readonly<Record<string, string | boolean>>

/** A parameter of a tool, in the form of JSON Schema. */
export interface ToolParameter {
  readonly type: 'string' | 'boolean'
  readonly description: string
}

/** One call of a tool. */
export interface ToolCall {
  readonly daemon: Daemon
  /** Aborts when the client cancels the call or disconnects, and when the process ends. */
  readonly signal: AbortSignal
  /** Reports progress to the client if it asked for that, at most once a second. */
  progress(done: number, total: number): void
}

export interface ToolAnswer {
  /** For reading: the output of the command that does the same. */
  readonly text: string
  /** The output as data: the JSON output of that command. */
  readonly data: Readonly<Record<string, unknown>>
}

export interface Tool {
  readonly name: string
  readonly description: string
  readonly parameters: Readonly<Record<string, ToolParameter>>
  readonly required: readonly string[]
  /** See `ToolAnnotations` of the Model Context Protocol. */
  readonly annotations: {
    readonly readOnlyHint: boolean
    readonly destructiveHint: boolean
    readonly idempotentHint: boolean
    /** Whether it contacts a store. */
    readonly openWorldHint: boolean
  }
  run(args: ToolArguments, call: ToolCall): Promise<ToolAnswer>
}

/** The parameter that most tools of Litestream have. */
export const CONFIG: ToolParameter = {
  type: 'string',
  description: 'Path of a configuration file. Default: the databases of this process.',
}

export const READS_FILES = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
} as const

export const READS_STORE = { ...READS_FILES, openWorldHint: true } as const
