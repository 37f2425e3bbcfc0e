import { LitestreamError, toLitestreamError } from '../errors.js'
import { nearest } from '../util/nearest.js'
import { MASK } from '../util/redact.js'
import { Secret } from '../util/secret.js'
import { canonicalParameter } from './shown-url.js'

export interface UrlParts {
  /** The URL without secrets, for messages. */
  readonly display: string
  /**
   * Returns a part of the URL in quotation marks for a message. The part is masked if it may belong
   * to a password.
   */
  readonly quote: (part: string) => string
  /** The scheme in lower case. */
  readonly scheme: string
  /** The host with port, without user. The host is undefined if the URL has no "//". */
  readonly host: string | undefined
  /** User and password as written in the URL, still percent-encoded. */
  readonly userinfo: string | undefined
  /** The path as written in the URL. */
  readonly rawPath: string
  /** The percent-decoded path. `path` is not normalised. */
  readonly path: string
  readonly params: UrlParams
}

/**
 * Splits `user:password` of a URL at the colon and decodes both parts. Throws INVALID_URL without
 * quoting user or password.
 */
export function splitUserinfo(
  userinfo: string,
  display: string,
): { readonly user: string; readonly password: Secret | undefined } {
  const colon = userinfo.indexOf(':')
  try {
    if (colon < 0) return { user: decodeURIComponent(userinfo), password: undefined }
    return {
      user: decodeURIComponent(userinfo.slice(0, colon)),
      password: new Secret(decodeURIComponent(userinfo.slice(colon + 1))),
    }
  } catch {
    throw new LitestreamError(
      'INVALID_URL',
      `${display}: the user or the password has a "%" that is not a percent escape`,
      {
        hint: 'Write a "%" of the user or the password as %25.',
      },
    )
  }
}

/**
 * The query parameters of a replica URL. The parser of a scheme takes each parameter that it knows
 * by name. A parameter that the parser of the scheme has not taken is an error. Messages quote only
 * the values of parameters that are not secret.
 */
export class UrlParams {
  readonly #url: Pick<UrlParts, 'display' | 'quote'>
  readonly #rest = new Map<string, { name: string; value: string }>()
  readonly #known: string[] = []

  constructor(query: string, url: Pick<UrlParts, 'display' | 'quote'>) {
    this.#url = url
    for (const [name, value] of new URLSearchParams(query)) {
      if (this.#rest.has(canonicalParameter(name))) throw this.#error(`the parameter ${url.quote(name)} is given twice`)
      this.#rest.set(canonicalParameter(name), { name, value })
    }
  }

  secret(name: string): Secret | undefined {
    const value = this.string(name)
    return value === undefined ? undefined : new Secret(value)
  }

  string(name: string): string | undefined {
    this.#known.push(name)
    const entry = this.#rest.get(canonicalParameter(name))
    this.#rest.delete(canonicalParameter(name))
    if (entry?.value === '') throw this.#error(`the parameter "${entry.name}" is empty`)
    if (entry?.value.includes('\0')) throw this.#error(`the parameter "${entry.name}" contains a NUL character (%00)`)
    return entry?.value
  }

  boolean(name: string): boolean | undefined {
    const value = this.string(name)
    if (value === undefined) return undefined
    if (/^(true|1|t|yes|y|on)$/i.test(value)) return true
    if (/^(false|0|f|no|n|off)$/i.test(value)) return false
    throw this.#wrongValue(name, value, 'write true or false')
  }

  choice<const T extends string>(name: string, values: readonly T[]): T | undefined {
    const value = this.string(name)
    const chosen = values.find((one) => one === value?.toLowerCase())
    if (value !== undefined && chosen === undefined) throw this.#wrongValue(name, value, `write ${values.join(', ')}`)
    return chosen
  }

  positiveInteger(name: string): number | undefined {
    const value = this.string(name)
    if (value === undefined) return undefined
    if (!/^[1-9][0-9]{0,8}$/.test(value)) throw this.#wrongValue(name, value, 'write a whole number from 1')
    return Number(value)
  }

  /**
   * Takes a parameter and converts its text with `parse`. If `parse` throws, throws INVALID_URL
   * with the name of the parameter.
   */
  parsed<T>(name: string, parse: (value: string) => T): T | undefined {
    const value = this.string(name)
    if (value === undefined) return undefined
    try {
      return parse(value)
    } catch (cause) {
      const { message, hint } = toLitestreamError(cause)
      throw this.#wrongValue(name, value, message, hint)
    }
  }

  /**
   * Throws if a parameter remains that the parser of the scheme has not taken. The parser must call
   * rejectRest() after it has taken all parameters that it knows.
   */
  rejectRest(): void {
    const [first] = this.#rest.values()
    if (first === undefined) return
    const meant = nearest(first.name, this.#known)
    const known =
      this.#known.length === 0
        ? 'Remove the parameter: replica URLs of this scheme have no parameters.'
        : `The parameters are ${this.#known.join(', ')}.`
    // A parameter without a value may be the end of a secret that contains an "&" or a "?".
    const name = first.value === '' ? `"${MASK}"` : this.#url.quote(first.name)
    throw this.#error(
      `${name} is not a parameter of this kind of replica`,
      meant === undefined ? known : `Did you mean ${meant}? ${known}`,
    )
  }

  #wrongValue(name: string, value: string, why: string, hint?: string): LitestreamError {
    return this.#error(`${this.#url.quote(value)} is not a value of "${name}": ${why}`, hint)
  }

  #error(message: string, hint = 'Correct the parameters of the replica URL, which follow the "?".'): LitestreamError {
    return new LitestreamError('INVALID_URL', `${this.#url.display}: ${message}`, { hint })
  }
}
