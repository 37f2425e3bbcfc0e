import { MASK, rememberSecret } from './redact.js'

const inspectCustom = Symbol.for('nodejs.util.inspect.custom')

/**
 * Text that is or contains a secret, such as a password, a URL with credentials or a command line.
 * Printing or serializing a Secret shows only the text `shown`. Only `reveal()` returns the secret
 * text. A structured clone of a Secret is empty.
 */
export class Secret {
  readonly #text: string
  readonly #shown: string

  /**
   * `parts` are those parts of `text` that are secret. Error messages and log lines mask the secret
   * parts wherever they occur.
   */
  constructor(text: string, shown: string = MASK, parts: readonly string[] = [text]) {
    this.#text = text
    this.#shown = shown
    for (const part of parts) rememberSecret(part)
  }

  /** Returns the secret text. Do not use the result in a message, log line, metric or response. */
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

/**
 * Returns the text of a setting. A program passes a secret setting as plain text, and the
 * configuration passes it as a Secret.
 */
export function reveal<T extends string | undefined>(value: Secret | T): string | T {
  return value instanceof Secret ? value.reveal() : value
}
