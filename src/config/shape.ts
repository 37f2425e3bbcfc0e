/** How a value of litestream.yml is described: for the documentation, for masking and for suggestions. */
export interface Description {
  /** Undefined for a section, a list, and a text that is one of a few. */
  readonly kind?: ScalarKind
  readonly description?: string
  /** What holds when the key is absent, as one would write it in the file. */
  readonly defaultText?: string
  /** Never printed. */
  readonly secret?: boolean
  /** Read for compatibility; has no effect. */
  readonly unused?: boolean
}

/**
 * The kinds of value a configuration file holds. YAML is read with every scalar as its own text, so that `password: 0123` stays
 * what was typed; these turn the text into what it means, with YAML 1.1's spellings as Go's parser reads them.
 */
export type ScalarKind = 'text' | 'boolean' | 'integer' | 'duration' | 'size' | 'permissions'

export type KeyPath = readonly PropertyKey[]

/** What a shape consists of, for its JSON Schema. */
export type Parts =
  | { readonly type: 'scalar' }
  | { readonly type: 'any' }
  | { readonly type: 'texts' }
  | { readonly type: 'section'; readonly fields: Readonly<Record<string, Shape<unknown>>>; readonly title?: string }
  | { readonly type: 'list'; readonly items: Shape<unknown>; readonly most?: number }

/** What a value has to be. Undefined always passes: a key that is absent. */
export interface Shape<T> extends Description {
  readonly parts: Parts
  /** The value as the program uses it. Throws ShapeFault. */
  read(value: unknown, at: KeyPath): T
}

/** What a shape reads. */
export type Read<S> = S extends Shape<infer T> ? T : never

/** The first value that does not fit. */
export class ShapeFault extends Error {
  readonly at: KeyPath
  /** Set for a key that the section at `at` does not have. */
  readonly unknownKey: string | undefined

  constructor(message: string, at: KeyPath, unknownKey?: string) {
    super(message)
    this.at = at
    this.unknownKey = unknownKey
  }
}

/** Any scalar, as `read` makes it of its text. A NUL character ends a path, an argument and a header in the middle. */
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
  /** The message for a value that is no section. */
  readonly expected?: string
  /** In the JSON Schema. */
  readonly title?: string
}

/** Keys with values, each of which may be absent. Another key is a fault, reported after those of the values. */
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
      if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ShapeFault(expected, at)
      const given = value as Readonly<Record<string, unknown>>
      const out: Record<string, unknown> = {}
      for (const [key, shape] of Object.entries(fields)) {
        if (Object.hasOwn(given, key)) out[key] = shape.read(given[key], [...at, key])
      }
      for (const key of Object.keys(given)) {
        if (!Object.hasOwn(fields, key)) throw new ShapeFault(`unknown key \`${key}\``, at, key)
      }
      return out as Section<F>
    },
  }
}

export interface ListOptions extends Description {
  readonly most?: number
  /** The message for a longer list. */
  readonly tooLong?: string
}

export function list<T>(items: Shape<T>, options: ListOptions = {}): Shape<NonNullable<T>[] | undefined> {
  const { most, tooLong, ...about } = options
  return {
    ...about,
    parts: { type: 'list', items, ...(most === undefined ? {} : { most }) },
    read: (value, at) => {
      if (value === undefined) return undefined
      if (!Array.isArray(value)) throw new ShapeFault('expected a list', at)
      const all = value.map((item, i) => required(items.read(item, [...at, i]), [...at, i]))
      if (most !== undefined && all.length > most)
        throw new ShapeFault(tooLong ?? `expected at most ${most} entries`, at)
      return all
    },
  }
}

function required<T>(value: T, at: KeyPath): NonNullable<T> {
  if (value === undefined || value === null) throw new ShapeFault('expected a value', at)
  return value
}

/** One text, or a list of them. */
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

/** Whatever it is. */
export function anything(about: Description): Shape<unknown> {
  return { ...about, parts: { type: 'any' }, read: (value) => value }
}
