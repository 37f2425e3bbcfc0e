import { fileURLToPath } from 'node:url'

/** A place in the code that is running: in the bundle, if that runs. */
export interface CallSite {
  /** Empty at the top level of a module. */
  readonly function: string
  /** Absolute path. */
  readonly file: string
  readonly line: number
}

/** `at name (place:line:column)` or `at place:line:column`. */
const FRAME = /^\s*at (?:(.*?) \()?(.*?):(\d+):\d+\)?$/m

/** The caller of `callee`, which must be running; undefined if V8 does not report it. */
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
