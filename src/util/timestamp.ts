import { LitestreamError } from '../errors.js'

/**
 * A Date, or a time in RFC 3339 format. Time of day, seconds and zone are optional, with the
 * defaults midnight and UTC.
 */
export type Instant = Date | string

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?\s?([Zz]|[+-]\d\d:?\d\d)?)?$/

/** The hint of an error about an invalid time. */
const TIMESTAMP_HINT =
  'Write the time in RFC 3339 format, such as 2026-01-31T15:04:05Z or 2026-01-31T16:04:05.250+01:00.'

/** The first instant beyond the range of a Date, in milliseconds since the epoch. */
const DATE_LIMIT = 8.64e15

/**
 * Parses an RFC 3339 time into milliseconds since the epoch. Time of day, seconds and zone are
 * optional, with the defaults midnight and UTC. Throws INVALID_ARGUMENT for an invalid time, such
 * as a day that the month does not have.
 */
export function parseTimestamp(text: string): number {
  const match = RFC_3339.exec(text)
  if (!match) throw invalidTime(text, 'the text does not have the form YYYY-MM-DDTHH:MM:SSZ')
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0)) as number[]
  const check = (value: number, least: number, most: number, what: string) => {
    if (value < least || value > most) throw invalidTime(text, `${what} ${value} is not between ${least} and ${most}`)
  }
  check(month!, 1, 12, 'the month')
  check(day!, 1, daysOf(year!, month!), `in ${text.slice(0, 7)} the day`)
  check(hour!, 0, 23, 'the hour')
  check(minute!, 0, 59, 'the minute')
  if (second === 60) throw invalidTime(text, 'leap seconds have no Unix time; use the second before or after')
  check(second!, 0, 59, 'the second')
  const utc = new Date(0)
  utc.setUTCFullYear(year!, month! - 1, day!)
  utc.setUTCHours(hour!, minute!, second!, Number((match[7] ?? '').padEnd(3, '0').slice(0, 3)))
  return utc.getTime() - offsetOf(match[8], check)
}

type Check = (value: number, least: number, most: number, what: string) => void

/** Returns the offset of a time zone from UTC in milliseconds. */
function offsetOf(zone: string | undefined, check: Check): number {
  if (zone === undefined || zone.toUpperCase() === 'Z') return 0
  const [, sign, hours, minutes] = /^([+-])(\d\d):?(\d\d)$/.exec(zone)!
  check(Number(hours), 0, 23, 'the hours of the zone offset')
  check(Number(minutes), 0, 59, 'the minutes of the zone offset')
  const ms = (Number(hours) * 60 + Number(minutes)) * 60_000
  return sign === '-' ? -ms : ms
}

function daysOf(year: number, month: number): number {
  const end = new Date(0)
  end.setUTCFullYear(year, month, 0)
  return end.getUTCDate()
}

function invalidTime(text: string, why: string): LitestreamError {
  return new LitestreamError('INVALID_ARGUMENT', `invalid time ${JSON.stringify(text)}: ${why}`, {
    hint: TIMESTAMP_HINT,
  })
}

/**
 * Formats `ms` as RFC 3339 in UTC. For an invalid time, formatTimestamp() does not throw, because
 * files and objects may contain any number. The result for an invalid time is a text such as
 * `invalid time 1e300`.
 */
export function formatTimestamp(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) <= DATE_LIMIT ? new Date(ms).toISOString() : `invalid time ${ms}`
}
