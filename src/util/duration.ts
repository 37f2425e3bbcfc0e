import { LitestreamError } from '../errors.js'

/**
 * A duration as a number of milliseconds, or as text with units such as "500ms", "10s" or "1h30m".
 */
export type Duration = number | string

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5, and below U+03BC: Go takes both
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/**
 * The longest duration that Go can represent. Go counts a duration in nanoseconds in 64 bits.
 * MAX_MS is about 292 years.
 */
const MAX_MS = 2 ** 63 / 1e6

const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/gy

/**
 * Parses Go's duration text (`1h30m`, `500ms`, `-1.5h`, `0`) into milliseconds. Returns undefined
 * for other text, and for a duration that Go cannot represent, which is longer than 292 years.
 */
export function tryParseDuration(text: string): number | undefined {
  const negative = text.startsWith('-')
  const body = negative || text.startsWith('+') ? text.slice(1) : text
  if (body === '0') return 0
  if (body === '') return undefined
  let ms = 0
  PART.lastIndex = 0
  while (PART.lastIndex < body.length) {
    const part = PART.exec(body)
    if (!part) return undefined
    ms += Number(part[1]) * UNIT_MS[part[2]!]!
  }
  if (ms >= MAX_MS) return undefined
  return negative ? -ms : ms
}

/**
 * Parses Go's duration text into milliseconds. Throws INVALID_ARGUMENT, with `what` in the message.
 */
export function parseDuration(text: string, what = 'duration'): number {
  const ms = tryParseDuration(text)
  if (ms === undefined) {
    throw new LitestreamError('INVALID_ARGUMENT', `invalid ${what}: ${JSON.stringify(text)}`, {
      hint: 'Write the duration as numbers with units, such as 500ms, 10s, 5m or 1h30m.',
    })
  }
  return ms
}

/** Converts a Duration to milliseconds. Throws INVALID_ARGUMENT, with `what` in the message. */
export function milliseconds(duration: Duration, what?: string): number {
  return typeof duration === 'string' ? parseDuration(duration, what) : duration
}

/** Formats milliseconds for users, such as `1h30m`, `1m`, `1.5s`, `500ms` or `0s`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`
  if (ms === 0) return '0s'
  if (ms < 1000) return `${Number(ms.toPrecision(6))}ms`
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor((ms % 3_600_000) / 60_000)
  const seconds = Number(((ms % 60_000) / 1000).toFixed(3))
  return `${hours ? `${hours}h` : ''}${minutes ? `${minutes}m` : ''}${seconds ? `${seconds}s` : ''}`
}
