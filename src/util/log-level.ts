export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const
const LOG_TYPES = ['text', 'json', 'pretty'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
export type LogType = (typeof LOG_TYPES)[number]

/**
 * Parses Litestream's names of log levels, including upper case and `warning`. Returns undefined
 * for any other text.
 */
export function tryParseLogLevel(text: string): LogLevel | undefined {
  const lower = text.toLowerCase()
  const level = lower === 'warning' ? 'warn' : lower
  return LOG_LEVELS.find((known) => known === level)
}
