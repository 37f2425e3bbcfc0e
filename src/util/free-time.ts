import { LitestreamError } from '../errors.js'

/** The hint of an error about a time that a user may write in words. */
export const FREE_TIME_HINT =
  'Write the time in RFC 3339 format, such as 2026-01-31T15:04:05Z, or in words (UTC): "5 minutes ago", "yesterday", "yesterday at 17:30", "last monday at 9am", "march 5 at 10:00".'

/** Maximum number of characters of a text that the parser accepts. */
const MAX_LENGTH = 100

/** Pattern of words that mean a period instead of a time, or an amount that a user cannot check. */
const VAGUE =
  /\b(few|couple|several|some|about|around|morning|afternoon|evening|night|tonight|midnight|week-?ends?)\b|\b(last|past|previous|this|next)\s+(second|minute|hour|week|month|quarter|year)s?\b/i

/**
 * Parses a time in English words, such as "yesterday at 17:30", into milliseconds since the epoch.
 * `now` is the time to which the words are relative, in milliseconds since the epoch.
 *
 * A time without a zone is in UTC. A distance such as "2 days ago" or "yesterday" keeps the time of
 * day of `now`. A date or weekday without a time of day means the first instant of that day. Throws
 * INVALID_ARGUMENT for a text without a meaning, with more than one meaning, or with a time after
 * `now`. The error message contains the reason.
 */
export async function parseFreeTime(text: string, now: number): Promise<number> {
  const refuse = (reason: string) =>
    new LitestreamError('INVALID_ARGUMENT', `invalid time ${JSON.stringify(shortened(text))}: ${reason}`, {
      hint: FREE_TIME_HINT,
    })
  const trimmed = text.trim().replace(/\s+/g, ' ')
  if (trimmed.length > MAX_LENGTH) throw refuse(`the text has more than ${MAX_LENGTH} characters`)
  if (/\d\s*\/\s*\d|\d\.\d+\.\d/.test(trimmed)) throw refuse('the order of day and month is ambiguous')
  const vague = VAGUE.exec(trimmed)
  if (vague) throw refuse(`"${vague[0]}" names no exact time`)

  const { casual } = await import('./chrono.js')
  const [result, ...more] = casual.parse(trimmed, { instant: new Date(now), timezone: 'UTC' })
  if (result === undefined) throw refuse('the text names no time')
  if (more.length > 0 || result.end) throw refuse('the text names more than one time')
  if (result.text.length !== trimmed.length) throw refuse(`only the part "${result.text}" is a time`)

  const { start } = result
  const tags = result.tags()
  const exact = tags.has('result/relativeDateAndTime') || tags.has('casualReference/now')
  const distance = exact || ['result/relativeDate', ...DAYS].some((tag) => tags.has(tag))
  const day = start.isCertain('day') || start.isCertain('weekday')
  const timeOfDay = start.isCertain('hour')
  if (!day && !timeOfDay && !distance) throw refuse('the text names no day')
  if (!exact) {
    const noon = tags.has('casualReference/noon')
    if (timeOfDay && !noon && start.get('hour')! <= 12 && !/\d:\d\d|\d\s*[ap]\.?m\b/i.test(trimmed)) {
      throw refuse('the hour may be before or after noon')
    }
    if (start.isCertain('timezoneOffset') && !/(\d\s*z|utc|gmt|[+-]\d\d:?\d\d)$/i.test(trimmed)) {
      throw refuse('zones are written UTC, GMT or as an offset such as +02:00')
    }
    if (contradicts(start)) throw refuse('the weekday does not belong to the date')
  }
  let ms = result.date().getTime()
  if (!distance && !timeOfDay) ms = new Date(ms).setUTCHours(0, 0, 0, 0)
  if (!Number.isFinite(ms)) throw refuse('the time is out of range')
  if (ms > now) throw refuse(`the time is ${new Date(ms).toISOString()}, which is in the future`)
  return ms
}

/** The tags with which chrono marks a day that is relative to the current day. */
const DAYS = ['casualReference/today', 'casualReference/yesterday', 'casualReference/tomorrow']

interface Components {
  isCertain(part: 'day' | 'weekday'): boolean
  get(part: 'year' | 'month' | 'day' | 'weekday'): number | null
}

function contradicts(start: Components): boolean {
  if (!start.isCertain('day') || !start.isCertain('weekday')) return false
  const date = new Date(Date.UTC(start.get('year')!, start.get('month')! - 1, start.get('day')!))
  return date.getUTCDay() !== start.get('weekday')
}

function shortened(text: string): string {
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text
}
