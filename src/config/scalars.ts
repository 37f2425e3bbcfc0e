import { z } from 'zod'
import { parseByteSize } from '../util/byte-size.js'
import { formatDuration, tryParseDuration } from '../util/duration.js'
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

interface KeyOptions {
  readonly unused?: boolean
}

function scalar<T>(kind: ScalarKind, expected: string, read: (text: string) => T | undefined) {
  return z
    .string({ error: `expected ${expected}` })
    .transform((value, context) => {
      const result = read(value)
      if (result === undefined) {
        context.addIssue({ code: 'custom', message: `expected ${expected}, got ${JSON.stringify(value)}` })
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
  const schema = z.string({ error: 'expected text' }).meta({ kind: 'text' })
  return describe(schema, description, { kind: 'text', defaultText, ...options })
}

/** Text that is never printed, a Secret as soon as it is read; empty text is no value, as in Go. */
export function secretText(description: string) {
  const schema = z
    .string({ error: 'expected text' })
    .transform((value) => (value === '' ? undefined : new Secret(value)))
    .meta({ kind: 'text' })
  return describe(schema, description, { kind: 'text', secret: true })
}

/** Text of which a part is secret: `conceal` says how it is shown. */
export function concealedText(description: string, conceal: (text: string) => Secret) {
  const schema = z.string({ error: 'expected text' }).transform(conceal).meta({ kind: 'text' })
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
    .pipe(z.enum(values, { error: (issue) => `expected ${values.join(', ')}, got ${JSON.stringify(issue.input)}` }))
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

export function integer(description: string, defaultValue?: number, options: KeyOptions = {}) {
  const schema = scalar('integer', 'a whole number', (value) =>
    /^[+-]?\d[\d_]*$/.test(value) ? Number(value.replaceAll('_', '')) : undefined,
  )
  return describe(schema, description, { kind: 'integer', defaultText: defaultValue?.toString(), ...options })
}

/** Milliseconds. A bare integer is nanoseconds, as in Go. */
export function duration(description: string, defaultMs?: number, options: KeyOptions = {}) {
  const schema = scalar('duration', 'a duration such as 500ms, 10s, 5m or 1h30m', (value) =>
    /^[+-]?\d+$/.test(value) ? Number(value) / 1e6 : tryParseDuration(value),
  )
  const defaultText = defaultMs === undefined ? undefined : formatDuration(defaultMs)
  return describe(schema, description, { kind: 'duration', defaultText, ...options })
}

/** Bytes. */
export function size(description: string, defaultText?: string) {
  const schema = scalar('size', 'a size such as 5MB or 64MiB', (value) => {
    try {
      return parseByteSize(value)
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
