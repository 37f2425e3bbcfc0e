import { fileURLToPath } from 'node:url'

/**
 * The position of the code that called a function. If the code is bundled, the line is a line of
 * the bundle.
 */
export interface CallSite {
  /** Name of the function, or "" at the top level of a module. */
  readonly function: string
  /** Absolute path of the file. */
  readonly file: string
  readonly line: number
}

/**
 * Pattern of a line of a stack trace, which is `at name (place:line:column)` or
 * `at place:line:column`.
 */
const FRAME = /^\s*at (?:(.*?) \()?(.*?):(\d+):\d+\)?$/m

/**
 * Returns the position of the code that has called the function `callee`. `callee` must be running
 * when callSiteOf() is called. Returns undefined if V8 does not report the caller.
 */
export function callSiteOf(callee: (...args: never[]) => unknown): CallSite | undefined {
  const holder: { stack?: string } = {}
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 1
  Error.captureStackTrace(holder, callee)
  Error.stackTraceLimit = stackTraceLimit
  const [, name = '', place = '', line] = FRAME.exec(holder.stack ?? '') ?? []
  if (line === undefined) return undefined
  const file = place.replace(/^async /, '')
  return {
    function: name.replace(/^async /, ''),
    file: file.startsWith('file:') ? fileURLToPath(file) : file,
    line: Number(line),
  }
}
