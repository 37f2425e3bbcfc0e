/**
 * A function that checks whether a JSON value has the form on which the code relies. The JSON may
 * come from another version of this package. The function returns only the known keys of the value.
 * For any other form, the function throws TypeError with the name of the wrong key.
 */
export type JsonShape<T> = (value: unknown, key?: string) => T

/** The type of the values that a shape accepts. */
export type Shaped<S> = S extends JsonShape<infer T> ? T : never

function fail(key: string, expected: string): never {
  throw new TypeError(`${key || 'the value'} is not ${expected}`)
}

export const text: JsonShape<string> = (value, key = '') => (typeof value === 'string' ? value : fail(key, 'a text'))

/** A finite number. */
export const number: JsonShape<number> = (value, key = '') =>
  typeof value === 'number' && Number.isFinite(value) ? value : fail(key, 'a number')

/** An integer from `least` to `most`. */
export const whole =
  (least: number = Number.MIN_SAFE_INTEGER, most: number = Number.MAX_SAFE_INTEGER): JsonShape<number> =>
  (value, key = '') =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most
      ? value
      : fail(key, `a whole number from ${least} to ${most}`)

/** An unsigned integer of 32 bits. */
export const u32 = whole(0, 0xffff_ffff)

/**
 * Accepts the values of `shape` for which `test` returns true. `expected` describes a valid value
 * and completes a message that ends with "is not".
 */
export const where =
  <T>(shape: JsonShape<T>, test: (value: T) => boolean, expected: string): JsonShape<T> =>
  (value, key = '') => {
    const read = shape(value, key)
    return test(read) ? read : fail(key, expected)
  }

/** A time in RFC 3339 format, as text. */
export const dateTime: JsonShape<string> = where(text, isDateTime, 'a time of RFC 3339')

function isDateTime(value: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(value) && !Number.isNaN(Date.parse(value))
}

export const literal =
  <const T extends string | number>(only: T): JsonShape<T> =>
  (value, key = '') =>
    value === only ? only : fail(key, JSON.stringify(only))

export const optional =
  <T>(shape: JsonShape<T>): JsonShape<T | undefined> =>
  (value, key) =>
    value === undefined ? undefined : shape(value, key)

export const listOf =
  <T>(shape: JsonShape<T>): JsonShape<T[]> =>
  (value, key = '') =>
    Array.isArray(value) ? value.map((item, i) => shape(item, `${key}[${i}]`)) : fail(key, 'a list')

export const pairOf =
  <T>(shape: JsonShape<T>): JsonShape<[T, T]> =>
  (value, key = '') => {
    const [first, second, ...more] = listOf(shape)(value, key)
    if (first === undefined || second === undefined || more.length > 0) return fail(key, 'a pair')
    return [first, second]
  }

type Fields = Readonly<Record<string, JsonShape<unknown>>>
type OptionalKeys<F extends Fields> = { [Key in keyof F]: undefined extends Shaped<F[Key]> ? Key : never }[keyof F]
type RecordOf<F extends Fields> = { [Key in Exclude<keyof F, OptionalKeys<F>>]: Shaped<F[Key]> } & {
  [Key in OptionalKeys<F>]?: Shaped<F[Key]>
}

export const record =
  <const F extends Fields>(fields: F): JsonShape<RecordOf<F>> =>
  (value, key = '') => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(key, 'an object')
    const given = value as Readonly<Record<string, unknown>>
    const out: Record<string, unknown> = {}
    for (const [name, shape] of Object.entries(fields)) {
      const read = shape(Object.hasOwn(given, name) ? given[name] : undefined, key ? `${key}.${name}` : name)
      if (read !== undefined) out[name] = read
    }
    return out as RecordOf<F>
  }

/**
 * Parses JSON text and checks it with `shape`. Returns undefined if the text is not JSON or has
 * another form.
 */
export function tryReadJson<T>(shape: JsonShape<T>, json: string): T | undefined {
  try {
    return shape(JSON.parse(json))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined
    throw error
  }
}
