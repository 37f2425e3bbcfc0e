import type { CommanderError } from 'commander'
import { toLitestreamError } from '../errors.js'
import { outageText, type StoreOutage } from '../storage/outage.js'
import { secretUrl } from '../storage/url.js'
import { tryParseLogLevel } from '../util/log-level.js'
import { withoutSecrets } from '../util/redact.js'
import { printable } from '../util/terminal-text.js'
import { bold, printError, red, warn } from './output.js'
import { usageHint } from './usage-hint.js'

/**
 * Registers the secrets of all URLs in the command line, so that messages mask them. Secrets of
 * URLs that a user wrote in the place of another argument are registered too.
 */
export function rememberArguments(argv: readonly string[]): void {
  for (const argument of argv) {
    const url = /[a-z][a-z0-9+.-]+:\/.*$/is.exec(argument)
    if (url) secretUrl(url[0])
  }
}

/**
 * Prints the message and the hint of an error, each on one line. Prints the stack of the error only
 * at the log levels debug and trace.
 */
export function reportError(thrown: unknown): void {
  const error = toLitestreamError(thrown)
  printError(`Error: ${error.message}`, red)
  printError(`Try: ${error.hint}`, bold)
  const level = tryParseLogLevel(process.env.LOG_LEVEL ?? '')
  if (level !== 'debug' && level !== 'trace') return
  process.stderr.write(`${printable(withoutSecrets(stacks(error)))}\n`)
}

/** Prints that a store does not respond, or that a store responds again. */
export function reportOutage(outage: StoreOutage): void {
  if (outage.error === undefined) {
    printError(outageText(outage))
    return
  }
  warn(outageText(outage))
  printError(`Try: ${outage.error.hint}`, bold)
}

/** Returns the stack of an error, followed by the stacks of its causes. */
function stacks(error: Error): string {
  const { stack = '', cause } = error
  return cause instanceof Error ? `${stack}\ncaused by ${stacks(cause)}` : stack
}

/**
 * Prints an error that Commander found in the command line. A second line of Commander's message is
 * a suggestion. `name` is the name of the command, or undefined if it is unknown.
 */
export function reportUsage(error: CommanderError, name: string | undefined): void {
  for (const line of withoutSecrets(error.message.replace(/^error: /, 'Error: ')).split('\n')) printError(line, red)
  printError(`Try: ${usageHint(error, name) ?? `litestream-ts ${name === undefined ? '' : `${name} `}-h`}`, bold)
}
