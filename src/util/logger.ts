import { type Logger, pino } from 'pino'
import pretty from 'pino-pretty'
import type { LogLevel, LogType } from './log-level.js'

export type { Logger }

function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)
}

/** `time=… level=INFO msg="…" key=value`, the lines of Go's slog. */
function textLine(line: string): string {
  const { time, level, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>
  const error = err === undefined ? undefined : (err as { message?: string }).message
  const fields = { time, level: String(level).toUpperCase(), msg, ...rest, ...(error === undefined ? {} : { error }) }
  return `${Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${quote(value)}`)
    .join(' ')}\n`
}

/** A logger that writes to stderr, so that a command's output on stdout stays clean. Each line is written before the call returns. */
export function createLogger(options: { readonly level: LogLevel; readonly type: LogType }): Logger {
  const base = {
    level: options.level,
    base: null,
    formatters: { level: (label: string) => ({ level: label }) },
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
