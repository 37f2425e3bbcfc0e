import { InvalidArgumentError } from 'commander'
import { LitestreamError } from '../../errors.js'
import { nearest } from '../../util/nearest.js'
import type { Tool, ToolArguments, ToolParameter } from './tool.js'

/** Maximum length of a text argument in characters. The longest arguments are URLs. */
const MOST_TEXT = 8192

/**
 * Checks the arguments of a tool call. Throws INVALID_ARGUMENT with the name of the invalid
 * argument.
 */
export function readArguments(tool: Tool, given: Readonly<Record<string, unknown>> = {}): ToolArguments {
  const names = Object.keys(tool.parameters)
  const read: Record<string, string | boolean> = {}
  for (const [name, value] of Object.entries(given)) {
    const parameter = Object.hasOwn(tool.parameters, name) ? tool.parameters[name] : undefined
    if (!parameter) throw unknownArgument(tool, name.slice(0, 100), names)
    // Some MCP clients send null for an argument that is not set.
    if (value === undefined || value === null) continue
    const checked = textOrFlag(parameter, value)
    if (checked === undefined) {
      const form = parameter.type === 'boolean' ? 'true or false' : `a text of 1 to ${MOST_TEXT} characters without NUL`
      throw new LitestreamError('INVALID_ARGUMENT', `${tool.name}: ${name} must be ${form}`, {
        hint: `Give ${name} as ${form}.`,
      })
    }
    read[name] = checked
  }
  const missing = tool.required.find((name) => read[name] === undefined)
  if (missing === undefined) return read
  throw new LitestreamError('INVALID_ARGUMENT', `${tool.name}: ${missing} is required`, {
    hint: `Give the argument ${missing}: ${tool.parameters[missing]!.description}`,
  })
}

/** Returns `value` if `value` has the type of the parameter, and undefined otherwise. */
function textOrFlag({ type }: ToolParameter, value: unknown): string | boolean | undefined {
  if (type === 'boolean') return typeof value === 'boolean' ? value : undefined
  // `parallelism` is a text parameter, as in Litestream, but MCP clients often send a number for
  // it.
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string' || text === '' || text.length > MOST_TEXT || text.includes('\0')) return undefined
  return text
}

function unknownArgument(tool: Tool, name: string, names: readonly string[]): LitestreamError {
  const meant = nearest(name, names)
  const all = names.length === 0 ? 'The tool has no arguments.' : `The arguments are ${names.join(', ')}.`
  return new LitestreamError('INVALID_ARGUMENT', `${tool.name}: unknown argument ${JSON.stringify(name)}`, {
    hint: meant === undefined ? all : `Did you mean ${meant}?`,
  })
}

/**
 * Parses the text argument `name` with `read`, the parser of the command line flag with the same
 * name. Returns undefined if the argument is not set. Throws INVALID_ARGUMENT.
 */
export function readAs<T>(args: ToolArguments, name: string, read: (text: string) => T): T | undefined {
  const text = args[name]
  if (text === undefined) return undefined
  try {
    return read(String(text))
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error
    const shown = JSON.stringify(String(text).slice(0, 100))
    throw new LitestreamError('INVALID_ARGUMENT', `invalid ${name}: ${shown}`, { hint: error.message })
  }
}
