import { LitestreamError } from '../errors.js'
import { MAX_COMPACTION_LEVEL } from '../ltx/format.js'
import { READ_AHEAD_KINDS, type ReadAheadKind } from '../native/read-ahead.js'
import { parseByteSize } from '../util/byte-size.js'
import * as check from '../util/check-arguments.js'
import { parseDuration } from '../util/duration.js'

/**
 * The kind of a setting. The kind of a setting defines how the option is checked, how it is written
 * as a URI parameter, and how the URI parameter is parsed. Durations are in milliseconds, and sizes
 * are in bytes.
 */
export interface Kind<Value> {
  readonly check: check.Check
  /** Returns the option as text of a parameter, or undefined if the option counts as omitted. */
  readonly format: (option: unknown) => string | undefined
  /**
   * Parses the text of a parameter. If the text is invalid, throws an error that names the text and
   * the expected form.
   */
  readonly parse: (text: string) => Value
}

/** Intervals of levels 1, 2 and 3 in milliseconds. A primary has the same defaults. */
export const DEFAULT_LEVELS: readonly number[] = [30_000, 300_000, 3_600_000]

/** Maximum number of concurrent requests to the store. */
const MAX_CONCURRENCY = 1000

const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  '1': true,
  on: true,
  false: false,
  '0': false,
  off: false,
}

/** The error for a value that a setting does not allow. The caller adds the name of the setting. */
function wrongValue(text: string, expected: string): LitestreamError {
  return new LitestreamError('INVALID_ARGUMENT', `${JSON.stringify(text)} is not ${expected}`)
}

function positive(parse: (text: string) => number): (text: string) => number {
  return (text) => {
    const value = parse(text)
    if (!(value > 0)) throw wrongValue(text, 'greater than 0')
    return value
  }
}

function formatDuration(value: unknown): string | undefined {
  // The value Infinity of a duration means never. A setting that allows Infinity has no limit by
  // default, so a URI omits the parameter for Infinity.
  if (value === Number.POSITIVE_INFINITY) return undefined
  return typeof value === 'number' ? `${value}ms` : String(value)
}

const parseInterval = positive(parseDuration)

/**
 * A setting that is a duration above 0. `least` is the smallest duration in milliseconds that the
 * option allows.
 */
export const interval = (least = 1): Kind<number> => ({
  check: check.duration(least),
  format: formatDuration,
  parse: parseInterval,
})

/** A setting that is a duration of 0 or more. */
export const timeLimit: Kind<number> = {
  check: check.duration(),
  format: formatDuration,
  parse: (text) => {
    const value = parseDuration(text)
    if (!(value >= 0)) throw wrongValue(text, '0 or more')
    return value
  },
}

export const size: Kind<number> = { check: check.byteSize(), format: String, parse: positive(parseByteSize) }

export const filePath: Kind<string | undefined> = { check: check.text, format: String, parse: (text) => text }

export const flag: Kind<boolean> = { check: check.flag, format: String, parse: parseBoolean }

export function parseBoolean(text: string): boolean {
  const value = BOOLEANS[text.toLowerCase()]
  if (value === undefined) throw wrongValue(text, 'true or false')
  return value
}

export const concurrency: Kind<number> = {
  check: check.integerFrom(1, MAX_CONCURRENCY),
  format: String,
  parse: (text) => {
    const count = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN
    if (!(count >= 1 && count <= MAX_CONCURRENCY)) throw wrongValue(text, `a whole number from 1 to ${MAX_CONCURRENCY}`)
    return count
  },
}

/** The enabled kinds of prefetch. The value is `all`, `none`, or a list. */
export const readAhead: Kind<ReadonlySet<ReadAheadKind>> = {
  check: (value) => (isReadAhead(value) ? undefined : `'all', 'none' or a list of ${READ_AHEAD_KINDS.join(', ')}`),
  format: (option) => [option].flat().join(','),
  parse: (text) => {
    if (text === 'all') return new Set(READ_AHEAD_KINDS)
    const kinds = text === 'none' ? [] : text.split(',').map((kind) => kind.trim())
    const unknown = kinds.find((kind) => !READ_AHEAD_KINDS.includes(kind as ReadAheadKind))
    if (unknown !== undefined) {
      throw wrongValue(unknown, `kinds of prefetch: ${READ_AHEAD_KINDS.join(', ')}, or all or none`)
    }
    return new Set(kinds as ReadAheadKind[])
  },
}

function isReadAhead(value: unknown): boolean {
  if (!Array.isArray(value)) return value === 'all' || value === 'none'
  return value.length > 0 && value.every((kind) => READ_AHEAD_KINDS.includes(kind))
}

export const durability: Kind<'store' | 'local'> = {
  check: check.oneOf('store', 'local'),
  format: String,
  parse: (text) => {
    if (text !== 'store' && text !== 'local') throw wrongValue(text, '"store" or "local"')
    return text
  },
}

/**
 * The duration of a lease, where the option value false and the parsed value undefined disable the
 * lease.
 */
export const lease: Kind<number | undefined> = {
  check: check.either(false, check.duration()),
  format: formatDuration,
  parse: (text) => (BOOLEANS[text.toLowerCase()] === false ? undefined : parseInterval(text)),
}

/**
 * The intervals of levels 1, 2, …, such as "30s,5m,1h". The option value false and the parsed value
 * undefined disable compaction.
 */
export const levels: Kind<readonly number[] | undefined> = {
  check: (value) => (isCompaction(value) ? undefined : 'true, false or a list of durations'),
  format: (option) => (Array.isArray(option) ? option.map(formatDuration).join(',') : String(option)),
  parse: (text) => {
    if (Object.hasOwn(BOOLEANS, text)) return BOOLEANS[text] ? DEFAULT_LEVELS : undefined
    const intervals = text.split(',').map(parseInterval)
    if (intervals.length > MAX_COMPACTION_LEVEL) throw wrongValue(text, `at most ${MAX_COMPACTION_LEVEL} intervals`)
    return intervals
  },
}

function isCompaction(value: unknown): boolean {
  if (!Array.isArray(value)) return typeof value === 'boolean'
  return value.length > 0 && value.every((interval) => check.finiteDuration(1)(interval) === undefined)
}
