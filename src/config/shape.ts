/** The description of a value of litestream.yml, for documentation, masking and suggestions. */
export interface Description {
  /** Undefined for a section, a list, and a text with a fixed set of values. */
  readonly kind?: ScalarKind
  readonly description?: string
  /** The default of an absent key, as it would be written in the file. */
  readonly defaultText?: string
  /** Never printed. */
  readonly secret?: boolean
  /** Read for compatibility; has no effect. */
  readonly unused?: boolean
}

/**
 * The kinds of values in a configuration file. YAML scalars are read as text, so that `password:
 * 0123` stays unchanged; these kinds convert the text, with YAML 1.1's spellings as in Go's parser.
 */
export type ScalarKind = 'text' | 'boolean' | 'integer' | 'duration' | 'size' | 'permissions'

export type KeyPath = readonly PropertyKey[]

/** Formats a key path for users: `dbs[0].replica.sync-interval`. */
export function formatKeyPath(path: readonly PropertyKey[]): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i ? '.' : ''}${String(key)}`)).join('')
}

/** The structure of a shape, for its JSON Schema. */
export type Parts =
  | { readonly type: 'scalar' }
  | { readonly type: 'any' }
  | { readonly type: 'texts' }
  | { readonly type: 'section'; readonly fields: Readonly<Record<string, Shape<unknown>>>; readonly title?: string }
  | { readonly type: 'list'; readonly items: Shape<unknown>; readonly most?: number }

/** The required form of a value. Undefined, an absent key, is always accepted. */
export interface Shape<T> extends Description {
  readonly parts: Parts
  /** Converts a value for the program. Throws ShapeFault. */
  read(value: unknown, at: KeyPath): T
}

/** The type of the values that a shape returns. */
export type Read<S> = S extends Shape<infer T> ? T : never

/** The error for the first invalid value. */
export class ShapeFault extends Error {
  readonly at: KeyPath
  /** The unknown key of the section at `at`, if that is the fault. */
  readonly unknownKey: string | undefined
  /** The correction, if it is known. */
  readonly hint: string | undefined

  constructor(message: string, at: KeyPath, more: { readonly unknownKey?: string; readonly hint?: string } = {}) {
    super(message)
    this.at = at
    this.unknownKey = more.unknownKey
    this.hint = more.hint
  }
}

/**
 * Any scalar; `read` converts its text. NUL characters are refused, because they would truncate a
 * path, an argument or a header.
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
  /** The error message if a value is not a section. */
  readonly expected?: string
  /** Title in the JSON Schema. */
  readonly title?: string
}

/** A section with optional keys. An unknown key is a fault, reported after faults in the values. */
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
  /** The error message for a longer list. */
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

/** A text where a section is expected is often the URL or path that belongs into it. */
function sectionHint(value: unknown, keys: readonly string[]): { readonly hint?: string } {
  if (Array.isArray(value)) return { hint: 'Remove the "- ": this key takes one section, not a list.' }
  if (typeof value !== 'string') return {}
  const key =
    /^[a-z][a-z0-9+.-]*:\//i.test(value) && keys.includes('url') ? 'url' : keys.includes('path') ? 'path' : keys[0]
  return { hint: `Write the value below the key, indented, as in \`${key}: …\`.` }
}

function required<T>(value: T, at: KeyPath): NonNullable<T> {
  if (value === undefined || value === null) throw new ShapeFault('expected a value', at)
  return value
}

/** One text, or a list of texts. */
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

/** Any value. */
export function anything(about: Description): Shape<unknown> {
  return { ...about, parts: { type: 'any' }, read: (value) => value }
}
