import { LitestreamError } from '../errors.js'
import { tryParseByteSize } from './byte-size.js'
import { formatDuration, tryParseDuration } from './duration.js'
import { nearest } from './nearest.js'
import { parseTimestamp } from './timestamp.js'

/**
 * A check of a value. Returns undefined if the value is valid, otherwise a text that describes a
 * valid value.
 */
export type Check = (value: unknown) => string | undefined

/**
 * A check of a value that callers may write in several forms, such as a duration. `read` converts
 * the value to the form that the code uses.
 */
export interface Form extends Check {
  readonly read: (value: unknown) => unknown
}

const is =
  (expected: string, test: (value: unknown) => boolean): Check =>
  (value) =>
    test(value) ? undefined : expected

export const flag = is('true or false', (value) => typeof value === 'boolean')
export const callback = is('a function', (value) => typeof value === 'function')
export const object = is('an object', (value) => typeof value === 'object' && value !== null)
export const abortSignal = is('an AbortSignal', (value) => value instanceof AbortSignal)
/** Non-empty text, such as a path, a name or an address. */
export const text = is(
  'non-empty text without NUL characters',
  (value) => typeof value === 'string' && value !== '' && !value.includes('\0'),
)
export const integerFrom = (min: number, max = Number.MAX_SAFE_INTEGER): Check =>
  is(
    max === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${min}` : `a whole number from ${min} to ${max}`,
    (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  )

/** A check that accepts a value if `read` returns a result for the value. */
const readAs = (expected: string, read: (value: unknown) => unknown): Form =>
  Object.assign(
    is(expected, (value) => read(value) !== undefined),
    { read },
  )

/**
 * A Duration of at least `least` milliseconds, which `read` converts to milliseconds. If `whole` is
 * true, the check refuses fractions of a millisecond.
 */
export const duration = (least = 0, most = Number.POSITIVE_INFINITY, whole = false): Form => {
  const [from, to] = [formatDuration(least), Number.isFinite(most) ? ` to ${formatDuration(most)}` : ' or more']
  return readAs(`a duration of ${from}${to}: milliseconds, or text such as "1m30s"`, (value) => {
    const ms = typeof value === 'string' ? tryParseDuration(value) : value
    if (whole && !Number.isInteger(ms)) return undefined
    return typeof ms === 'number' && ms >= least && ms <= most ? ms : undefined
  })
}

/** A finite Duration, which excludes Infinity. */
export const finiteDuration = (least = 0): Form => {
  const form = duration(least, Number.MAX_SAFE_INTEGER)
  const expected = duration(least)(undefined)
  return Object.assign((value: unknown) => form(value) && expected, { read: form.read })
}

/** A ByteSize of at least `least` bytes, which `read` converts to bytes. */
export const byteSize = (least = 0): Form =>
  readAs(`a size of at least ${least} bytes: bytes, or text such as "64MiB"`, (value) => {
    const bytes = typeof value === 'string' ? tryParseByteSize(value) : value
    return Number.isSafeInteger(bytes) && (bytes as number) >= least ? bytes : undefined
  })
/**
 * A TXID as a number. A TXID has 64 bits in the LTX format, but a JavaScript number represents only
 * integers of 53 bits exactly.
 */
export const txid = integerFrom(1)
/** A time as a number of milliseconds since the epoch. */
export const time = is(
  'a time in milliseconds since the epoch',
  (value) => typeof value === 'number' && Math.abs(value) <= 8.64e15,
)
/** An Instant, which `read` converts to milliseconds since the epoch. */
export const instant: Form = Object.assign(
  is(
    'a Date or a time such as 2026-01-31T15:04:05Z',
    (value) => typeof value === 'string' || (value instanceof Date && !Number.isNaN(value.getTime())),
  ),
  { read: (value: unknown) => (typeof value === 'string' ? parseTimestamp(value) : (value as Date).getTime()) },
)
/** The checks for the options of WaitOptions. */
export const waitChecks = { signal: abortSignal, timeout: duration(1) }
export const oneOf = (...values: readonly unknown[]): Check =>
  is(`one of ${values.map((value) => JSON.stringify(value)).join(', ')}`, (value) => values.includes(value))
export const anything: Check = () => undefined

/** An object with one check per option. */
export type OptionChecks<Options> = { readonly [Name in keyof Required<Options>]: Check }

/**
 * Throws INVALID_ARGUMENT if `check` refuses `value`. The message names the function and the
 * argument.
 */
export function checkArgument(value: unknown, name: string, check: Check, of: string): void {
  const expected = check(value)
  if (expected === undefined) return
  throw new LitestreamError('INVALID_ARGUMENT', `${of}: ${name} must be ${expected}, not ${described(value)}`, {
    hint: `Give ${name} as ${expected}.`,
  })
}

/**
 * Throws INVALID_ARGUMENT for an unknown option or an invalid value. An option whose value is
 * undefined counts as omitted.
 */
export function checkOptions<Options>(options: unknown, checks: OptionChecks<Options>, of: string): void {
  if (typeof options !== 'object' || options === null) checkArgument(options, 'options', object, of)
  for (const [name, value] of Object.entries(options as object)) {
    if (value === undefined) continue
    const check = Object.hasOwn(checks, name) ? (checks as Record<string, Check>)[name] : undefined
    if (check) checkArgument(value, name, check, of)
    else throw unknownOption(name, Object.keys(checks), of)
  }
}

/**
 * The type of the options that `readOptions` returns. Durations are milliseconds, sizes are bytes,
 * and times are numbers.
 */
export type Resolved<Options> = { readonly [Name in keyof Options]: ResolvedValue<Options[Name]> }
type ResolvedValue<Value> = Date extends Value
  ? Exclude<Value, Date | string> | number
  : number extends Value
    ? Exclude<Value, string>
    : Value

/**
 * Checks options, and converts each option to the form that the code uses. Throws INVALID_ARGUMENT.
 */
export function readOptions<Options extends object>(
  options: Options,
  checks: { readonly [Name in keyof Required<Options>]: Check },
  of: string,
): Resolved<Options> {
  checkOptions(options, checks, of)
  const entries = Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined) return []
    const { read } = (checks as Record<string, Partial<Form>>)[name]!
    return [[name, read ? read(value) : value]]
  })
  return Object.fromEntries(entries) as Resolved<Options>
}

/**
 * A check for an object of options, each of which has a check in `checks`. `name` names the object
 * in errors.
 */
export const group = <Options extends object>(name: string, checks: OptionChecks<Options>): Form =>
  Object.assign(
    is('an object with settings', (value) => typeof value === 'object' && value !== null && !Array.isArray(value)),
    { read: (value: unknown) => readOptions(value as Options, checks, name) },
  )

/**
 * A check for a list of objects that all have the options in `checks`. `name` names the list in
 * errors.
 */
export const listOf = <Options extends object>(name: string, checks: OptionChecks<Options>): Form =>
  Object.assign(is('a list of objects', Array.isArray), {
    read: (value: unknown) =>
      (value as readonly Options[]).map((each) => {
        const read = readOptions(each, checks, name)
        for (const [option, check] of Object.entries<Check>(checks)) {
          checkArgument((each as Record<string, unknown>)[option], option, check, name)
        }
        return read
      }),
  })

/** A check that accepts `constant`, and every value that `form` accepts. */
export const either = (constant: unknown, form: Form): Form =>
  Object.assign(
    (value: unknown) => (value === constant ? undefined : form(value) && `${String(constant)} or ${form(value)}`),
    { read: (value: unknown) => (value === constant ? value : form.read(value)) },
  )

function unknownOption(name: string, known: readonly string[], of: string): LitestreamError {
  const meant = nearest(name, known)
  return new LitestreamError('INVALID_ARGUMENT', `${of}: unknown option ${JSON.stringify(name)}`, {
    hint: meant === undefined ? `The options are ${known.join(', ')}.` : `Did you mean ${meant}?`,
  })
}

/**
 * Describes a value for a message. Shows numbers and booleans, but neither text nor objects,
 * because text and objects may contain secrets.
 */
function described(value: unknown): string {
  if (typeof value === 'string') return value === '' ? 'empty text' : 'the given text'
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}
