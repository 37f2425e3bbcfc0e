import { type CallSite, callSiteOf } from './call-site.js'
import { LOG_LEVELS, type LogLevel, type LogType } from './log-level.js'
import { withoutSecrets } from './redact.js'
import { Secret } from './secret.js'
import { oneLine, printableJson } from './terminal-text.js'

/** The fields of a log line besides its message. A field whose value is undefined is omitted. */
export type LogFields = Readonly<Record<string, unknown>>

/** Severity of a log line. A line of severity `fatal` is written at every log level. */
type Severity = LogLevel | 'fatal'

type LogMethod = (...args: [fields: LogFields, message: string] | [message: string]) => void

/**
 * Writes log lines to stderr or stdout. By default, log lines go to stderr, so that the output of a
 * command on stdout contains no log lines. A call returns after the line was written. In every
 * line, all secrets are masked.
 */
export type Logger = { readonly [Level in Severity]: LogMethod } & {
  /** Returns a logger that adds `fields` to every line. */
  child(fields: LogFields): Logger
}

/** The format of log lines. */
interface Format {
  /**
   * Whether control characters are escaped in every text. Only lines that are not JSON need the
   * escapes.
   */
  readonly escaped: boolean
  line(level: Severity, fields: LogFields, message: string, source: CallSite | undefined): string
}

/**
 * JSON lines with the keys, the order of keys and the levels of Go's slog. Litestream logs with
 * Go's slog.
 */
const JSON_LINES: Format = {
  escaped: false,
  line: (level, fields, msg, source) =>
    `${JSON.stringify({ time: now(), level: level.toUpperCase(), source, msg, ...fields })}\n`,
}

/**
 * Lines of the form `time=… level=INFO msg="…" key=value`. Go's slog writes its text format in the
 * same form.
 */
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

/** ANSI colours of the log levels on a terminal. */
const COLOURS: { readonly [Level in Severity]: number } = {
  trace: 90,
  debug: 34,
  info: 32,
  warn: 33,
  error: 31,
  fatal: 31,
}

/**
 * Lines with time, level and message, such as `[12:34:56.789] INFO`. Each line is followed by one
 * line per field.
 */
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

/**
 * Returns the fields of a log line. All secrets are masked. Control characters are escaped if
 * `escaped` is true.
 */
function safeFields(fields: LogFields, escaped: boolean): LogFields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, safeValue(value, escaped)]))
}

function safeValue(value: unknown, escaped: boolean): unknown {
  if (typeof value === 'string') return escaped ? oneLine(withoutSecrets(value)) : withoutSecrets(value)
  if (value instanceof Error) return safeValue(value.message, escaped)
  if (value === null || typeof value !== 'object') return value
  // A Secret prints itself masked.
  if (value instanceof Secret) return String(value)
  return Array.isArray(value)
    ? value.map((item) => safeValue(item, escaped))
    : safeFields(value as Record<string, unknown>, escaped)
}

function ignored(): void {}

/**
 * The destination of log lines, and whether each line contains the source position that logged it.
 */
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

/** Creates a logger that writes lines at `level` and above. */
export function createLogger(options: {
  readonly level: LogLevel
  readonly type: LogType
  /** Whether the logger writes to stderr (the default) or to stdout. */
  readonly stderr?: boolean
  /**
   * Whether each line contains the file and the line number of the code that logged it. Go's slog
   * has the same option.
   */
  readonly source?: boolean
  /** A function to which the logger passes each line, instead of stderr or stdout. */
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

/** A logger that writes only fatal errors. */
export const silentLogger: Logger = loggerWith(
  Number.POSITIVE_INFINITY,
  TEXT_LINES,
  {},
  { write: toStderr, source: false },
)
