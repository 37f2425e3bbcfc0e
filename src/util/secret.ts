import { MASK, rememberSecret } from './redact.js'

const inspectCustom = Symbol.for('nodejs.util.inspect.custom')

/**
 * Text that is secret, or holds a secret: a password, a URL with credentials, a command line. However it is printed, serialised or
 * put into a message, only `shown` appears; the text itself takes an explicit `reveal()`. A structured clone of it is empty.
 */
export class Secret {
  readonly #text: string
  readonly #shown: string

  /** `parts`: what in `text` is secret, and is masked wherever it appears in an error or a log line. */
  constructor(text: string, shown: string = MASK, parts: readonly string[] = [text]) {
    this.#text = text
    this.#shown = shown
    for (const part of parts) rememberSecret(part)
  }

  /** The text itself. It must not get into a message, a log line, a metric or an answer. */
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

/** What a setting holds that programs give as plain text and the configuration as a Secret. */
export function reveal<T extends string | undefined>(value: Secret | T): string | T {
  return value instanceof Secret ? value.reveal() : value
}
