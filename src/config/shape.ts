/** Describes a value of litestream.yml for documentation, masking and suggestions. */
export interface Description {
  /**
   * The kind of the value, or undefined for a section, for a list, and for a text with a fixed set
   * of values.
   */
  readonly kind?: ScalarKind
  readonly description?: string
  /**
   * The value that an absent key has by default, in the form in which the file would contain it.
   */
  readonly defaultText?: string
  /** Whether the value is never printed. */
  readonly secret?: boolean
  /** Whether the key has no effect and is accepted only for compatibility. */
  readonly unused?: boolean
}

/**
 * The kinds of values in a configuration file. The parser reads YAML scalars as text, so that a
 * password such as `0123` stays unchanged. The parser of each kind converts the text, and accepts
 * YAML 1.1 spellings as Litestream does.
 */
export type ScalarKind = 'text' | 'boolean' | 'integer' | 'duration' | 'size' | 'permissions'

export type KeyPath = readonly PropertyKey[]

/** Formats a key path for messages, for example `dbs[0].replica.sync-interval`. */
export function formatKeyPath(path: readonly PropertyKey[]): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i ? '.' : ''}${String(key)}`)).join('')
}

/** The structure of a shape, from which the JSON Schema is made. */
export type Parts =
  | { readonly type: 'scalar' }
  | { readonly type: 'any' }
  | { readonly type: 'texts' }
  | { readonly type: 'section'; readonly fields: Readonly<Record<string, Shape<unknown>>>; readonly title?: string }
  | { readonly type: 'list'; readonly items: Shape<unknown>; readonly most?: number }

/**
 * The required form of a value in the configuration file. An absent key has the value undefined,
 * which every shape accepts.
 */
export interface Shape<T> extends Description {
  readonly parts: Parts
  /** Checks `value` and converts `value` to the form that the program uses. Throws ShapeFault. */
  read(value: unknown, at: KeyPath): T
}

/** The type of the values that the `read` method of a shape returns. */
export type Read<S> = S extends Shape<infer T> ? T : never

/** The error that describes the first invalid value of the file. */
export class ShapeFault extends Error {
  readonly at: KeyPath
  /** The name of the unknown key in the section at `at`, or undefined for all other faults. */
  readonly unknownKey: string | undefined
  /** The hint that says how to correct the fault, or undefined if no correction is known. */
  readonly hint: string | undefined

  constructor(message: string, at: KeyPath, more: { readonly unknownKey?: string; readonly hint?: string } = {}) {
    super(message)
    this.at = at
    this.unknownKey = more.unknownKey
    this.hint = more.hint
  }
}

/**
 * Creates the shape of a scalar. `read` converts the text of the scalar. A text with a NUL
 * character is refused, because NUL would truncate a path, an argument or a header.
 */
export function scalar<T>(
  expected: string,
  read: (text: string, at: KeyPath) => T,
  about: Description,
): Shape<T | undefined> {
  return {
    ...about,
    parts: { type: 'scalar' },
    read: (value, at) => {
      if (value === undefined) return undefined
      if (typeof value !== 'string') throw new ShapeFault(`expected ${expected}`, at)
      if (value.includes('\0')) throw new ShapeFault(`expected ${expected} without NUL characters`, at)
      return read(value, at)
    },
  }
}

type Fields = Readonly<Record<string, Shape<unknown>>>
type Section<F extends Fields> = { [Key in keyof F]?: Read<F[Key]> | undefined }

export interface SectionOptions extends Description {
  /** The error message for a value that is not a section. */
  readonly expected?: string
  /** The title of the section in the JSON Schema. */
  readonly title?: string
}

/**
 * Creates the shape of a section with optional keys. An unknown key is a fault, but an invalid
 * value is reported first.
 */
export function section<const F extends Fields>(
  fields: F,
  options: SectionOptions = {},
): Shape<Section<F> | undefined> {
  const { expected = 'expected a section of `key: value` lines', title, ...about } = options
  return {
    ...about,
    parts: { type: 'section', fields, ...(title === undefined ? {} : { title }) },
    read: (value, at) => {
      if (value === undefined) return undefined
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw new ShapeFault(expected, at, sectionHint(value, Object.keys(fields)))
      }
      const given = value as Readonly<Record<string, unknown>>
      const out: Record<string, unknown> = {}
      for (const [key, shape] of Object.entries(fields)) {
        if (Object.hasOwn(given, key)) out[key] = shape.read(given[key], [...at, key])
      }
      for (const key of Object.keys(given)) {
        if (!Object.hasOwn(fields, key)) throw new ShapeFault(`unknown key \`${key}\``, at, { unknownKey: key })
      }
      return out as Section<F>
    },
  }
}

export interface ListOptions extends Description {
  readonly most?: number
  /** The error message for a list with too many entries. */
  readonly tooLong?: string
}

export function list<T>(items: Shape<T>, options: ListOptions = {}): Shape<NonNullable<T>[] | undefined> {
  const { most, tooLong, ...about } = options
  return {
    ...about,
    parts: { type: 'list', items, ...(most === undefined ? {} : { most }) },
    read: (value, at) => {
      if (value === undefined) return undefined
      if (!Array.isArray(value)) throw new ShapeFault('expected a list', at, { hint: LIST_HINT })
      const all = value.map((item, i) => required(items.read(item, [...at, i]), [...at, i]))
      if (most !== undefined && all.length > most)
        throw new ShapeFault(tooLong ?? `expected at most ${most} entries`, at)
      return all
    },
  }
}

const LIST_HINT = 'Begin each entry on a line of its own with "- ".'

/**
 * Returns a hint for a section whose value is a text instead of keys. The text is often the URL or
 * the path that must be the value of a key in this section.
 */
function sectionHint(value: unknown, keys: readonly string[]): { readonly hint?: string } {
  if (Array.isArray(value)) return { hint: 'Remove the "- ": this key takes one section, not a list.' }
  if (typeof value !== 'string') return {}
  const key =
    /^[a-z][a-z0-9+.-]*:\//i.test(value) && keys.includes('url') ? 'url' : keys.includes('path') ? 'path' : keys[0]
  return {
    hint: `This key starts a section, so write the value on an indented line below the key, as in \`${key}: …\`.`,
  }
}

function required<T>(value: T, at: KeyPath): NonNullable<T> {
  if (value === undefined || value === null) throw new ShapeFault('expected a value', at)
  return value
}

/** Creates the shape of one text or a list of texts. */
export function texts(about: Description): Shape<string[] | undefined> {
  return {
    ...about,
    parts: { type: 'texts' },
    read: (value, at) => {
      if (value === undefined) return undefined
      const all: unknown[] = Array.isArray(value) ? value : [value]
      if (all.every((one): one is string => typeof one === 'string')) return all
      throw new ShapeFault('expected a text or a list of texts', at)
    },
  }
}

/** Creates a shape that accepts any value. */
export function anything(about: Description): Shape<unknown> {
  return { ...about, parts: { type: 'any' }, read: (value) => value }
}
