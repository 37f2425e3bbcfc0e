import stringWidth from 'string-width'
import { withoutSecrets } from '../util/redact.js'
import { oneLine, printable, printableJson } from '../util/terminal-text.js'
import { formatTimestamp } from '../util/timestamp.js'

/**
 * Colors are off if the environment variable NO_COLOR has any non-empty value
 * (https://no-color.org).
 */
const useColor = (stream: NodeJS.WriteStream) => stream.isTTY === true && !process.env.NO_COLOR

/**
 * Maps style markers in the output to terminal codes. The markers are Unicode noncharacters, which
 * do not occur in text.
 */
const STYLES: Readonly<Record<string, string>> = {
  '\ufdd0': '\x1b[1m',
  '\ufdd1': '\x1b[22m',
  '\ufdd2': '\x1b[31m',
  '\ufdd3': '\x1b[32m',
  '\ufdd4': '\x1b[39m',
  '\ufdd5': '\x1b[33m',
}

export const bold = (text: string): string => `\ufdd0${text}\ufdd1`
export const red = (text: string): string => `\ufdd2${text}\ufdd4`
const yellow = (text: string): string => `\ufdd5${text}\ufdd4`
export const green = (text: string): string => `\ufdd3${text}\ufdd4`

function styled(text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return text.replace(/[\ufdd0-\ufdd5]/g, (mark) => (useColor(stream) ? STYLES[mark]! : ''))
}

/**
 * Prints one line to stdout. Escapes control characters, including line feeds, and masks secrets,
 * because another program may have chosen the file names in the line.
 */
export function print(line: string): void {
  process.stdout.write(`${styled(oneLine(withoutSecrets(line)))}\n`)
}

/**
 * Prints several lines to stdout. The caller must have escaped the variable parts of the text with
 * `oneLine`.
 */
export function printLines(text: string): void {
  process.stdout.write(`${styled(printable(text))}\n`)
}

/**
 * Prints data for another program, without any change. Only if stdout is a terminal, escapes
 * control characters.
 */
export function printData(line: string): void {
  process.stdout.write(`${process.stdout.isTTY ? oneLine(line) : line}\n`)
}

export function printJson(value: unknown): void {
  process.stdout.write(`${printableJson(JSON.stringify(value, null, 2))}\n`)
}

/** Prints one JSON value on one line. */
export function printJsonLine(value: unknown): void {
  process.stdout.write(`${printableJson(JSON.stringify(value))}\n`)
}

/**
 * Pads `text` with spaces to `width` terminal columns. A wide character uses two columns, and a
 * combining accent uses none.
 */
function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - stringWidth(text)))
}

/**
 * Formats a table. Each column is as wide as its widest cell, and two spaces separate the columns.
 * The lines of the table do not end with spaces. Control characters in cells are escaped.
 */
function formatTable(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = [headers, ...rows].map((cells) => cells.map(oneLine))
  const widths = head.map((header, i) =>
    body.reduce((width, row) => Math.max(width, stringWidth(row[i]!)), stringWidth(header)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => padded(cell, widths[i]!))
      .join('  ')
      .trimEnd()
  return [bold(line(head)), ...body.map(line)].join('\n')
}

/** Formats a table without style markers. */
export function plainTable(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  return formatTable(headers, rows).replace(/[\ufdd0-\ufdd5]/g, '')
}

export function printTable(headers: readonly string[], rows: readonly (readonly string[])[]): void {
  printLines(formatTable(headers, rows))
}

/** Prints each field on one line, with aligned values. */
export function printBlock(fields: Readonly<Record<string, string | number>>): void {
  const width = Math.max(...Object.keys(fields).map((key) => key.length)) + 1
  for (const [key, value] of Object.entries(fields)) print(`${`${key}:`.padEnd(width)} ${value}`)
}

/**
 * Prints a line to stderr, and escapes the control characters in the line. On a terminal, the first
 * word of the line gets the style `style`.
 */
export function printError(line: string, style: (text: string) => string = (text) => text): void {
  const [, word = '', rest = ''] = /^(\S*)(.*)$/s.exec(oneLine(line)) ?? []
  process.stderr.write(`${styled(style(word), process.stderr)}${rest}\n`)
}

/** Prints a warning to stderr, so that stdout contains only the result of the command. */
export function warn(text: string): void {
  printError(`Warning: ${text}`, yellow)
}

/** Formats a time in RFC 3339 format, in UTC and with whole seconds, as Litestream does. */
export function formatTime(ms: number): string {
  return formatTimestamp(ms).replace(/\.\d{3}Z$/, 'Z')
}
