import { parseByteSize } from '../util/byte-size.js'
import { formatDuration, tryParseDuration } from '../util/duration.js'
import { formatBytes } from '../util/format-bytes.js'
import { Secret } from '../util/secret.js'
import { type KeyPath, type ScalarKind, type Shape, ShapeFault, scalar } from './shape.js'

/**
 * Minimum and maximum of a number in the configuration file. Durations are in milliseconds, and
 * sizes are in bytes.
 */
interface Range {
  readonly min?: number
  readonly max?: number
}

interface KeyOptions extends Range {
  readonly unused?: boolean
}

/**
 * Quotes a value for a message. The result has at most 60 characters of the value, because the
 * value may be the text of a whole file.
 */
function quoted(value: string): string {
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
}

/**
 * Creates the shape of a scalar. `read` converts the text, and returns undefined for an invalid
 * text.
 */
function kindOf<T>(
  kind: ScalarKind,
  expected: string,
  read: (text: string, at: KeyPath) => T | undefined,
  description: string,
  about: { readonly defaultText?: string | undefined; readonly unused?: boolean | undefined },
): Shape<T | undefined> {
  const readOrFail = (value: string, at: KeyPath) => {
    const result = read(value, at)
    if (result === undefined) throw new ShapeFault(`expected ${expected}, got ${quoted(value)}`, at)
    return result
  }
  return scalar(expected, readOrFail, { kind, description, ...about })
}

export function text(description: string, defaultText?: string, options: KeyOptions = {}): Shape<string | undefined> {
  return kindOf('text', 'text', (value) => value, description, { defaultText, ...options })
}

/**
 * Creates the shape of a text that is never printed. When the file is read, the text becomes a
 * Secret. An empty text counts as absent, as in Litestream.
 */
export function secretText(description: string): Shape<Secret | undefined> {
  const read = (value: string) => (value === '' ? undefined : new Secret(value))
  return scalar('text', read, { kind: 'text', description, secret: true })
}

/**
 * Creates the shape of a text that contains a secret part. `conceal` converts the text to a Secret
 * whose printed form omits the secret part. An empty text counts as absent, as in Litestream.
 */
export function concealedText(description: string, conceal: (text: string) => Secret): Shape<Secret | undefined> {
  const read = (value: string) => (value === '' ? undefined : conceal(value))
  return scalar('text', read, { kind: 'text', description })
}

export function choice<const T extends readonly [string, ...string[]]>(
  values: T,
  description: string,
  defaultText?: string,
): Shape<T[number] | undefined> {
  const expected = values.join(', ')
  const read = (value: string, at: KeyPath) => {
    const found = values.find((known) => known === value.toLowerCase())
    if (found === undefined) throw new ShapeFault(`expected ${expected}, got ${quoted(value.toLowerCase())}`, at)
    return found as T[number]
  }
  return scalar(expected, read, { description, ...(defaultText === undefined ? {} : { defaultText }) })
}

export function boolean(description: string, defaultValue?: boolean, options: KeyOptions = {}) {
  const read = (value: string) => {
    if (/^(true|yes|on|y)$/i.test(value)) return true
    if (/^(false|no|off|n)$/i.test(value)) return false
    return undefined
  }
  return kindOf('boolean', 'true or false', read, description, { defaultText: defaultValue?.toString(), ...options })
}

/** Returns `value` if it is between the minimum and the maximum, and undefined otherwise. */
function within(value: number | undefined, { min, max }: Range): number | undefined {
  if (value === undefined || value < (min ?? -Infinity) || value > (max ?? Infinity)) return undefined
  return value
}

/** Formats the minimum and the maximum for a message, for example ` from 1 to 1000`. */
function bounds({ min, max }: Range, format: (value: number) => string = String): string {
  return `${min === undefined ? '' : ` from ${format(min)}`}${max === undefined ? '' : ` to ${format(max)}`}`
}

export function integer(description: string, defaultValue?: number, options: KeyOptions = {}) {
  const { min, max, ...meta } = options
  const read = (value: string) => {
    const number = /^[+-]?\d[\d_]*$/.test(value) ? Number(value.replaceAll('_', '')) : Number.NaN
    return Number.isSafeInteger(number) ? within(number, { min, max }) : undefined
  }
  const about = { defaultText: defaultValue?.toString(), ...meta }
  return kindOf('integer', `a whole number${bounds(options)}`, read, description, about)
}

/**
 * A duration without a unit is a number of nanoseconds. The parser refuses a number below
 * FEWEST_NANOSECONDS, because the user probably forgot the unit.
 */
const FEWEST_NANOSECONDS = 1_000_000

/**
 * Creates the shape of a duration, which is converted to milliseconds. An integer without a unit
 * means nanoseconds, as in Litestream. A small integer such as `24` is refused, because the user
 * probably forgot the unit.
 */
export function duration(description: string, defaultMs?: number, options: KeyOptions = {}) {
  const { min, max, ...meta } = options
  const expected = `a duration such as 500ms, 10s, 5m or 1h30m${bounds(options, formatDuration)}`
  const read = (value: string, at: KeyPath) => {
    if (!/^[+-]?\d+$/.test(value)) return within(tryParseDuration(value), { min, max })
    if (Number(value) !== 0 && Math.abs(Number(value)) < FEWEST_NANOSECONDS) {
      const hint = `Add a unit to the duration: ${value}s for seconds, ${value}m for minutes, ${value}h for hours.`
      throw new ShapeFault(`expected ${expected}, got ${quoted(value)}, which has no unit`, at, { hint })
    }
    return within(tryParseDuration(`${value}ns`), { min, max })
  }
  const defaultText = defaultMs === undefined ? undefined : formatDuration(defaultMs)
  return kindOf('duration', expected, read, description, { defaultText, ...meta })
}

/** Creates the shape of a size in bytes. */
export function size(description: string, defaultText?: string, range: Range = {}) {
  const read = (value: string) => {
    try {
      return within(parseByteSize(value), range)
    } catch {
      return undefined // the caller reports the error with the key's name
    }
  }
  const expected = `a size such as 5MB or 64MiB${bounds(range, formatBytes)}`
  return kindOf('size', expected, read, description, { defaultText })
}

/** Creates the shape of an octal file mode, with or without a leading zero. */
export function permissions(description: string, defaultValue: number) {
  const read = (value: string) =>
    /^(0o?)?[0-7]{3}$/.test(value) ? Number.parseInt(value.replace(/^0o?/, ''), 8) : undefined
  const about = { defaultText: `0${defaultValue.toString(8)}` }
  return kindOf('permissions', 'an octal file mode such as 0600', read, description, about)
}
