import { LitestreamError } from '../errors.js'
import { nearest } from './nearest.js'

/** A check of a value: returns undefined if it is valid, otherwise the expected form. */
export type Check = (value: unknown) => string | undefined

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
export const numberFrom = (min: number, max = Number.MAX_SAFE_INTEGER): Check =>
  is(
    max === Number.MAX_SAFE_INTEGER ? `a number of at least ${min}` : `a number from ${min} to ${max}`,
    (value) => typeof value === 'number' && value >= min && value <= max,
  )
export const integerFrom = (min: number, max = Number.MAX_SAFE_INTEGER): Check =>
  is(
    max === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${min}` : `a whole number from ${min} to ${max}`,
    (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  )
/** A number of milliseconds, 0 or more. */
export const milliseconds = numberFrom(0)
/** A positive number of milliseconds, or Infinity. */
export const positiveMilliseconds = is(
  'a number of milliseconds greater than 0',
  (value) => typeof value === 'number' && value > 0,
)
/** A TXID as a number: the format has 64 bits, JavaScript numbers and this package have 53. */
export const txid = integerFrom(1)
/** A time in milliseconds since the epoch. */
export const time = is(
  'a time in milliseconds since the epoch',
  (value) => typeof value === 'number' && Math.abs(value) <= 8.64e15,
)
/** A Date, or a time as text. */
export const instant = is(
  'a Date or a time such as 2026-01-31T15:04:05Z',
  (value) => typeof value === 'string' || (value instanceof Date && !Number.isNaN(value.getTime())),
)
export const oneOf = (...values: readonly unknown[]): Check =>
  is(`one of ${values.map((value) => JSON.stringify(value)).join(', ')}`, (value) => values.includes(value))
export const numberOrText = is('a number or text', (value) => typeof value === 'number' || typeof value === 'string')
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
