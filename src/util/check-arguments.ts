import { LitestreamError } from '../errors.js'
import { tryParseByteSize } from './byte-size.js'
import { formatDuration, tryParseDuration } from './duration.js'
import { nearest } from './nearest.js'
import { parseTimestamp } from './timestamp.js'

/** A check of a value: returns undefined if it is valid, otherwise the expected form. */
export type Check = (value: unknown) => string | undefined

/** A check of a value that may have several forms. `read` returns the form that the code uses. */
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

/** A form that is valid if `read` returns a value. */
const readAs = (expected: string, read: (value: unknown) => unknown): Form =>
  Object.assign(
    is(expected, (value) => read(value) !== undefined),
    { read },
  )

/** A Duration of at least `least` milliseconds, in milliseconds; `whole`: without a fraction. */
export const duration = (least = 0, most = Number.POSITIVE_INFINITY, whole = false): Form => {
  const [from, to] = [formatDuration(least), Number.isFinite(most) ? ` to ${formatDuration(most)}` : ' or more']
  return readAs(`a duration of ${from}${to}: milliseconds, or text such as "1m30s"`, (value) => {
    const ms = typeof value === 'string' ? tryParseDuration(value) : value
    if (whole && !Number.isInteger(ms)) return undefined
    return typeof ms === 'number' && ms >= least && ms <= most ? ms : undefined
  })
}

/** A duration that must end: Infinity is no value. */
export const finiteDuration = (least = 0): Form => {
  const form = duration(least, Number.MAX_SAFE_INTEGER)
  const expected = duration(least)(undefined)
  return Object.assign((value: unknown) => form(value) && expected, { read: form.read })
}

/** A ByteSize of at least `least` bytes, in bytes. */
export const byteSize = (least = 0): Form =>
  readAs(`a size of at least ${least} bytes: bytes, or text such as "64MiB"`, (value) => {
    const bytes = typeof value === 'string' ? tryParseByteSize(value) : value
    return Number.isSafeInteger(bytes) && (bytes as number) >= least ? bytes : undefined
  })
/** A TXID as a number: the format has 64 bits, JavaScript numbers and this package have 53. */
export const txid = integerFrom(1)
/** A time in milliseconds since the epoch. */
export const time = is(
  'a time in milliseconds since the epoch',
  (value) => typeof value === 'number' && Math.abs(value) <= 8.64e15,
)
/** An Instant, in milliseconds since the epoch. */
export const instant: Form = Object.assign(
  is(
    'a Date or a time such as 2026-01-31T15:04:05Z',
    (value) => typeof value === 'string' || (value instanceof Date && !Number.isNaN(value.getTime())),
  ),
  { read: (value: unknown) => (typeof value === 'string' ? parseTimestamp(value) : (value as Date).getTime()) },
)
/** The options of WaitOptions. */
export const waitChecks = { signal: abortSignal, timeout: duration(1) }
export const oneOf = (...values: readonly unknown[]): Check =>
  is(`one of ${values.map((value) => JSON.stringify(value)).join(', ')}`, (value) => values.includes(value))
export const anything: Check = () => undefined

/** One check per option. */
export type OptionChecks<Options> = { readonly [Name in keyof Required<Options>]: Check }

/** Throws INVALID_ARGUMENT, naming the function and the argument, if `value` is not as expected. */
export function checkArgument(value: unknown, name: string, check: Check, of: string): void {
  const expected = check(value)
  if (expected === undefined) return
  throw new LitestreamError('INVALID_ARGUMENT', `${of}: ${name} must be ${expected}, not ${described(value)}`, {
    hint: `Give ${name} as ${expected}.`,
  })
}

/**
 * Throws INVALID_ARGUMENT for an unknown option or a wrong value. An undefined option counts as
 * omitted.
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

/** Options as `readOptions` returns them: milliseconds, bytes and times as numbers. */
export type Resolved<Options> = { readonly [Name in keyof Options]: ResolvedValue<Options[Name]> }
type ResolvedValue<Value> = Date extends Value
  ? Exclude<Value, Date | string> | number
  : number extends Value
    ? Exclude<Value, string>
    : Value

/** The options after checkOptions, each in the form that the code uses. Throws INVALID_ARGUMENT. */
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

/** An object of options, read by `checks`; `name` names it in errors. */
export const group = <Options extends object>(name: string, checks: OptionChecks<Options>): Form =>
  Object.assign(
    is('an object with settings', (value) => typeof value === 'object' && value !== null && !Array.isArray(value)),
    { read: (value: unknown) => readOptions(value as Options, checks, name) },
  )

/** A list of such objects, each with all of its options. */
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

/** `constant`, or what `form` accepts. */
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
 * A value for a message: text and objects may contain secrets, so only numbers and similar values
 * are shown.
 */
function described(value: unknown): string {
  if (typeof value === 'string') return value === '' ? 'empty text' : 'this text'
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}
