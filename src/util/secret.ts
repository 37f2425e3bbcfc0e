import { MASK, rememberSecret } from './redact.js'

const inspectCustom = Symbol.for('nodejs.util.inspect.custom')

/**
 * Text that is or contains a secret: a password, a URL with credentials, a command line. Printing
 * or serializing it shows only `shown`; `reveal()` returns the text. A structured clone of it is
 * empty.
 */
export class Secret {
  readonly #text: string
  readonly #shown: string

  /**
   * `parts`: the secret parts of `text`, which are masked wherever they appear in an error or a log
   * line.
   */
  constructor(text: string, shown: string = MASK, parts: readonly string[] = [text]) {
    this.#text = text
    this.#shown = shown
    for (const part of parts) rememberSecret(part)
  }

  /** The text itself. Do not use the result in a message, log line, metric or response. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return this.#shown
  }

  toJSON(): string {
    return this.#shown
  }

  [Symbol.toPrimitive](): string {
    return this.#shown
  }

  [inspectCustom](): string {
    return this.#shown
  }
}

/** The text of a setting, which programs pass as plain text and the configuration as a Secret. */
export function reveal<T extends string | undefined>(value: Secret | T): string | T {
  return value instanceof Secret ? value.reveal() : value
}
