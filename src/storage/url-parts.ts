import { LitestreamError } from '../errors.js'

export interface UrlParts {
  /** The URL without secrets, to quote in messages. */
  readonly display: string
  /** Lower case. */
  readonly scheme: string
  /** With port, without user; undefined when the URL has no "//". */
  readonly host: string | undefined
  /** As written: still percent-encoded. */
  readonly userinfo: string | undefined
  /** Percent-decoded, not normalised. */
  readonly path: string
  readonly params: UrlParams
}

/** `user:password` of a URL, decoded. */
export function splitUserinfo(userinfo: string): { user: string; password: string | undefined } {
  const colon = userinfo.indexOf(':')
  if (colon < 0) return { user: decodeURIComponent(userinfo), password: undefined }
  return {
    user: decodeURIComponent(userinfo.slice(0, colon)),
    password: decodeURIComponent(userinfo.slice(colon + 1)),
  }
}

/** `forcePathStyle`, `force-path-style` and `force_path_style` are one name. */
const canonical = (name: string) => name.replace(/[-_]/g, '').toLowerCase()

/** The query of a replica URL. Each parameter is taken once by name; what nobody took is an error, not silently ignored. */
export class UrlParams {
  readonly #display: string
  readonly #rest = new Map<string, { name: string; value: string }>()
  readonly #known: string[] = []

  constructor(query: string, display: string) {
    this.#display = display
    for (const [name, value] of new URLSearchParams(query)) {
      if (this.#rest.has(canonical(name))) throw this.#error(`the parameter "${name}" is given twice`)
      this.#rest.set(canonical(name), { name, value })
    }
  }

  string(name: string): string | undefined {
    this.#known.push(name)
    const entry = this.#rest.get(canonical(name))
    this.#rest.delete(canonical(name))
    if (entry?.value === '') throw this.#error(`the parameter "${entry.name}" is empty`)
    return entry?.value
  }

  boolean(name: string): boolean | undefined {
    const value = this.string(name)
    if (value === undefined) return undefined
    if (/^(true|1|t)$/i.test(value)) return true
    if (/^(false|0|f)$/i.test(value)) return false
    throw this.#error(`"${value}" is not a value of "${name}": it is true or false`)
  }

  positiveInteger(name: string): number | undefined {
    const value = this.string(name)
    if (value === undefined) return undefined
    if (!/^[1-9][0-9]{0,8}$/.test(value))
      throw this.#error(`"${value}" is not a value of "${name}": it is a whole number from 1`)
    return Number(value)
  }

  /** Takes the text through `parse`, whose errors become INVALID_URL with the parameter's name. */
  parsed<T>(name: string, parse: (value: string) => T): T | undefined {
    const value = this.string(name)
    if (value === undefined) return undefined
    try {
      return parse(value)
    } catch (cause) {
      throw this.#error(`"${value}" is not a value of "${name}": ${(cause as Error).message}`, cause)
    }
  }

  /** Call after all parameters have been taken. */
  rejectRest(): void {
    const [first] = this.#rest.values()
    if (first === undefined) return
    const known = this.#known.length === 0 ? 'This scheme takes none.' : `It takes ${this.#known.join(', ')}.`
    throw this.#error(`"${first.name}" is not a parameter of this kind of replica`, undefined, known)
  }

  #error(message: string, cause?: unknown, hint?: string): LitestreamError {
    return new LitestreamError('INVALID_URL', `${this.#display}: ${message}`, { cause, hint })
  }
}
