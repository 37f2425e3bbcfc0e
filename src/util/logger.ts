import { type CallSite, callSiteOf } from './call-site.js'
import { LOG_LEVELS, type LogLevel, type LogType } from './log-level.js'
import { withoutSecrets } from './redact.js'
import { Secret } from './secret.js'
import { oneLine, printableJson } from './terminal-text.js'

/** The fields of a line besides its message. Undefined values are omitted. */
export type LogFields = Readonly<Record<string, unknown>>

/** `fatal`: always written. */
type Severity = LogLevel | 'fatal'

type LogMethod = (...args: [fields: LogFields, message: string] | [message: string]) => void

/**
 * Writes lines to stderr, so that a command's output on stdout stays clean, or to stdout. Each line
 * is written before the call returns, with every secret masked.
 */
export type Logger = { readonly [Level in Severity]: LogMethod } & {
  /** A logger whose lines have these fields, too. */
  child(fields: LogFields): Logger
}

/** How a line is written. */
interface Format {
  /** Whether control characters are escaped in every text: for lines that are not JSON. */
  readonly escaped: boolean
  line(level: Severity, fields: LogFields, message: string, source: CallSite | undefined): string
}

/** The keys, their order and the levels of Go's slog, which Litestream logs with. */
const JSON_LINES: Format = {
  escaped: false,
  line: (level, fields, msg, source) =>
    `${JSON.stringify({ time: now(), level: level.toUpperCase(), source, msg, ...fields })}\n`,
}

/** `time=… level=INFO msg="…" key=value`, the format of Go's slog. */
const TEXT_LINES: Format = {
  escaped: false,
  line: (level, fields, msg, place) => {
    const { err, ...rest } = fields
    const source = place && `${place.file}:${place.line}`
    const all = {
      time: now(),
      level: level.toUpperCase(),
      source,
      msg,
      ...rest,
      ...(err === undefined ? {} : { error: err }),
    }
    return `${Object.entries(all)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key}=${quote(value)}`)
      .join(' ')}\n`
  },
}

/** ANSI colours of the levels on a terminal. */
const COLOURS: { readonly [Level in Severity]: number } = {
  trace: 90,
  debug: 34,
  info: 32,
  warn: 33,
  error: 31,
  fatal: 31,
}

/** `[12:34:56.789] INFO: message`, and a line for each field. */
const PRETTY_LINES: Format = {
  escaped: true,
  line: (level, own, msg, source) => {
    const fields = source === undefined ? own : { ...own, source: `${source.file}:${source.line}` }
    const colour = (code: number, text: string) => (process.stderr.isTTY ? `\x1b[${code}m${text}\x1b[39m` : text)
    const date = new Date()
    const [hours, minutes, seconds] = [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits)
    const time = `${hours}:${minutes}:${seconds}.${String(date.getMilliseconds()).padStart(3, '0')}`
    const below = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `    ${colour(35, key)}: ${JSON.stringify(value)}\n`)
    return `[${time}] ${colour(COLOURS[level], level.toUpperCase())}: ${colour(36, msg)}\n${below.join('')}`
  },
}

const FORMATS: { readonly [Type in LogType]: Format } = { json: JSON_LINES, text: TEXT_LINES, pretty: PRETTY_LINES }

function now(): string {
  return new Date().toISOString()
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}

function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  return /^[^\s"=]+$/.test(text) && oneLine(text) === text ? text : printableJson(JSON.stringify(text))
}

/** The fields of a line with every secret masked; `escaped`: control characters escaped too. */
function safeFields(fields: LogFields, escaped: boolean): LogFields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, safeValue(value, escaped)]))
}

function safeValue(value: unknown, escaped: boolean): unknown {
  if (typeof value === 'string') return escaped ? oneLine(withoutSecrets(value)) : withoutSecrets(value)
  if (value instanceof Error) return safeValue(value.message, escaped)
  if (value === null || typeof value !== 'object') return value
  // Prints itself masked.
  if (value instanceof Secret) return String(value)
  return Array.isArray(value)
    ? value.map((item) => safeValue(item, escaped))
    : safeFields(value as Record<string, unknown>, escaped)
}

function ignored(): void {}

/** Where lines go, and whether a line names the place in the code that logged it. */
interface Destination {
  readonly write: (line: string) => void
  readonly source: boolean
}

const toStderr = (line: string) => void process.stderr.write(line)
const toStdout = (line: string) => void process.stdout.write(line)

function loggerWith(least: number, format: Format, bound: LogFields, destination: Destination): Logger {
  const { source } = destination
  const method = (level: Severity): LogMethod => {
    if (level !== 'fatal' && LOG_LEVELS.indexOf(level) < least) return ignored
    const write: LogMethod = (...args) => {
      const [fields, message] = args.length === 1 ? [{}, args[0]] : args
      const all = { ...bound, ...safeFields(fields, format.escaped) }
      const place = source ? callSiteOf(write) : undefined
      destination.write(format.line(level, all, String(safeValue(message, format.escaped)), place))
    }
    return write
  }
  return {
    trace: method('trace'),
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    fatal: method('fatal'),
    child: (fields) => loggerWith(least, format, { ...bound, ...safeFields(fields, format.escaped) }, destination),
  }
}

/** A logger of lines at `level` and above. */
export function createLogger(options: {
  readonly level: LogLevel
  readonly type: LogType
  /** False: to stdout. */
  readonly stderr?: boolean
  /** True: each line names the place in the code that logged it, as Go's slog does. */
  readonly source?: boolean
  /** Writes a line; instead of a stream. */
  readonly write?: (line: string) => void
}): Logger {
  const write = options.write ?? (options.stderr === false ? toStdout : toStderr)
  return loggerWith(
    LOG_LEVELS.indexOf(options.level),
    FORMATS[options.type],
    {},
    {
      write,
      source: options.source === true,
    },
  )
}

/** Writes nothing but fatal errors. */
export const silentLogger: Logger = loggerWith(
  Number.POSITIVE_INFINITY,
  TEXT_LINES,
  {},
  { write: toStderr, source: false },
)
