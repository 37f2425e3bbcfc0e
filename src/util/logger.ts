import { type Logger, type LoggerOptions, pino } from 'pino'
import pretty from 'pino-pretty'
import type { LogLevel, LogType } from './log-level.js'
import { withoutSecrets } from './redact.js'
import { Secret } from './secret.js'
import { oneLine, printableJson } from './terminal-text.js'

export type { Logger }

function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /^[^\s"=]+$/.test(text) && oneLine(text) === text ? text : printableJson(JSON.stringify(text))
}

/** The fields of a line with every secret masked; `escaped`: control characters escaped too, for a line that is not JSON. */
function safeFields(fields: Record<string, unknown>, escaped: boolean): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, safeValue(value, escaped)]))
}

function safeValue(value: unknown, escaped: boolean): unknown {
  if (typeof value === 'string') return escaped ? oneLine(withoutSecrets(value)) : withoutSecrets(value)
  if (value instanceof Error) return safeValue(value.message, escaped)
  if (value === null || typeof value !== 'object' || value instanceof Secret) return value
  return Array.isArray(value)
    ? value.map((item) => safeValue(item, escaped))
    : safeFields(value as Record<string, unknown>, escaped)
}

/** `time=… level=INFO msg="…" key=value`, the lines of Go's slog. */
function textLine(line: string): string {
  const { time, level, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>
  const fields = {
    time,
    level: String(level).toUpperCase(),
    msg,
    ...rest,
    ...(err === undefined ? {} : { error: err }),
  }
  return `${Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${quote(value)}`)
    .join(' ')}\n`
}

/** A logger that writes to stderr, so that a command's output on stdout stays clean. Each line is written before the call returns. */
export function createLogger(options: { readonly level: LogLevel; readonly type: LogType }): Logger {
  const escaped = options.type === 'pretty'
  const base: LoggerOptions = {
    level: options.level,
    base: null,
    formatters: {
      level: (label) => ({ level: label }),
      log: (fields) => safeFields(fields, escaped),
      bindings: (fields) => safeFields(fields, escaped),
    },
    hooks: {
      logMethod(args, method) {
        const safe = args.map((argument) => (typeof argument === 'string' ? safeValue(argument, escaped) : argument))
        method.apply(this, safe as Parameters<typeof method>)
      },
    },
    timestamp: pino.stdTimeFunctions.isoTime,
  }
  if (options.type === 'json') return pino(base, pino.destination({ dest: 2, sync: true }))
  if (options.type === 'pretty') {
    const stream = pretty({
      destination: 2,
      sync: true,
      colorize: process.stderr.isTTY,
      translateTime: 'SYS:HH:MM:ss.l',
    })
    return pino(base, stream)
  }
  return pino(base, { write: (line: string) => void process.stderr.write(textLine(line)) })
}

export const silentLogger: Logger = pino({ level: 'silent' })
