import { z } from 'zod'
import { parseByteSize } from '../util/byte-size.js'
import { formatDuration, tryParseDuration } from '../util/duration.js'
import { formatBytes } from '../util/format-bytes.js'
import { Secret } from '../util/secret.js'

/**
 * The kinds of value a configuration file holds. YAML is read with every scalar as its own text, so that `password: 0123` stays
 * what was typed; these turn the text into what it means, with YAML 1.1's spellings as Go's parser reads them.
 */
export type ScalarKind = 'text' | 'boolean' | 'integer' | 'duration' | 'size' | 'permissions'

export interface KeyMeta {
  readonly kind?: ScalarKind
  /** What holds when the key is absent, as one would write it in the file. */
  readonly defaultText?: string
  /** Never printed. */
  readonly secret?: boolean
  /** Read for compatibility; has no effect. */
  readonly unused?: boolean
  /** For an editor to offer. */
  readonly examples?: readonly string[]
}

/** Bounds of a number; durations in milliseconds, sizes in bytes. */
interface Range {
  readonly min?: number
  readonly max?: number
}

interface KeyOptions extends Range {
  readonly unused?: boolean
}

/** Any scalar as text. A NUL character ends a path, an argument and a header in the middle. */
function plain(expected: string) {
  return z
    .string({ error: `expected ${expected}` })
    .refine((value) => !value.includes('\0'), { error: `expected ${expected} without NUL characters` })
}

/** A value for a message, which a whole file that got into it must not fill. */
function quoted(value: string): string {
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
}

function scalar<T>(kind: ScalarKind, expected: string, read: (text: string) => T | undefined) {
  return plain(expected)
    .transform((value, context) => {
      const result = read(value)
      if (result === undefined) {
        context.addIssue({ code: 'custom', message: `expected ${expected}, got ${quoted(value)}` })
        return z.NEVER
      }
      return result
    })
    .meta({ kind })
}

function describe<S extends z.ZodType>(schema: S, description: string, meta: KeyMeta) {
  return schema.optional().meta({ description, ...meta } as z.GlobalMeta)
}

export function text(description: string, defaultText?: string, options: KeyOptions = {}) {
  const schema = plain('text').meta({ kind: 'text' })
  return describe(schema, description, { kind: 'text', defaultText, ...options })
}

/** Text that is never printed, a Secret as soon as it is read; empty text is no value, as in Go. */
export function secretText(description: string) {
  const schema = plain('text')
    .transform((value) => (value === '' ? undefined : new Secret(value)))
    .meta({ kind: 'text' })
  return describe(schema, description, { kind: 'text', secret: true })
}

/** Text of which a part is secret: `conceal` says how it is shown. Empty text is no value, as in Go. */
export function concealedText(description: string, conceal: (text: string) => Secret) {
  const schema = plain('text')
    .transform((value) => (value === '' ? undefined : conceal(value)))
    .meta({ kind: 'text' })
  return describe(schema, description, { kind: 'text' })
}

export function choice<const T extends readonly [string, ...string[]]>(
  values: T,
  description: string,
  defaultText?: string,
) {
  const schema = z
    .string({ error: `expected ${values.join(', ')}` })
    .transform((value) => value.toLowerCase())
    .pipe(z.enum(values, { error: (issue) => `expected ${values.join(', ')}, got ${quoted(String(issue.input))}` }))
  return describe(schema, description, { defaultText, examples: values })
}

export function boolean(description: string, defaultValue?: boolean, options: KeyOptions = {}) {
  const schema = scalar('boolean', 'true or false', (value) => {
    if (/^(true|yes|on|y)$/i.test(value)) return true
    if (/^(false|no|off|n)$/i.test(value)) return false
    return undefined
  })
  return describe(schema, description, { kind: 'boolean', defaultText: defaultValue?.toString(), ...options })
}

/** `value` if it is within the bounds. */
function within(value: number | undefined, { min, max }: Range): number | undefined {
  if (value === undefined || value < (min ?? -Infinity) || value > (max ?? Infinity)) return undefined
  return value
}

/** The bounds as a message says them: ` from 1 to 1000`. */
function bounds({ min, max }: Range, format: (value: number) => string = String): string {
  return `${min === undefined ? '' : ` from ${format(min)}`}${max === undefined ? '' : ` to ${format(max)}`}`
}

export function integer(description: string, defaultValue?: number, options: KeyOptions = {}) {
  const { min, max, ...meta } = options
  const schema = scalar('integer', `a whole number${bounds(options)}`, (value) => {
    const number = /^[+-]?\d[\d_]*$/.test(value) ? Number(value.replaceAll('_', '')) : Number.NaN
    return Number.isSafeInteger(number) ? within(number, { min, max }) : undefined
  })
  return describe(schema, description, { kind: 'integer', defaultText: defaultValue?.toString(), ...meta })
}

/** Milliseconds. A bare integer is nanoseconds, as in Go. */
export function duration(description: string, defaultMs?: number, options: KeyOptions = {}) {
  const { min, max, ...meta } = options
  const expected = `a duration such as 500ms, 10s, 5m or 1h30m${bounds(options, formatDuration)}`
  const schema = scalar('duration', expected, (value) =>
    within(tryParseDuration(/^[+-]?\d+$/.test(value) ? `${value}ns` : value), { min, max }),
  )
  const defaultText = defaultMs === undefined ? undefined : formatDuration(defaultMs)
  return describe(schema, description, { kind: 'duration', defaultText, ...meta })
}

/** Bytes. */
export function size(description: string, defaultText?: string, range: Range = {}) {
  const schema = scalar('size', `a size such as 5MB or 64MiB${bounds(range, formatBytes)}`, (value) => {
    try {
      return within(parseByteSize(value), range)
    } catch {
      return undefined // the schema's own message says the same with the key's name
    }
  })
  return describe(schema, description, { kind: 'size', defaultText })
}

/** A file mode in octal, with or without a leading zero. */
export function permissions(description: string, defaultValue: number) {
  const schema = scalar('permissions', 'an octal file mode such as 0600', (value) =>
    /^(0o?)?[0-7]{3}$/.test(value) ? Number.parseInt(value.replace(/^0o?/, ''), 8) : undefined,
  )
  return describe(schema, description, { kind: 'permissions', defaultText: `0${defaultValue.toString(8)}` })
}
