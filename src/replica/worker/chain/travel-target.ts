import { LitestreamError, toLitestreamError } from '../../../errors.js'
import type { PlanTarget } from '../../../levels/plan.js'
import { parseTxid } from '../../../ltx/txid.js'
import { FREE_TIME_HINT, parseFreeTime } from '../../../util/free-time.js'
import { parseTimestamp } from '../../../util/timestamp.js'

const UNIT_MS: Readonly<Record<string, number>> = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 7 * 86_400_000,
}

/**
 * Parses the target of a time travel. `text` is an RFC 3339 time, a time in words ("5 minutes ago",
 * "yesterday at 17:30"), "now", or a TXID (16 hexadecimal digits). A target time selects the last
 * state *before* that time. A restore has the same rule. Throws INVALID_ARGUMENT.
 */
export async function parseTravelTarget(text: string, now: number): Promise<PlanTarget> {
  const trimmed = text.trim()
  if (/^[0-9a-f]{16,}$/.test(trimmed)) return { txid: parseTxid(trimmed) }
  const ago = /^(\d+)\s+(second|minute|hour|day|week)s?\s+ago$/i.exec(trimmed)
  if (ago) return { timestamp: now - Number(ago[1]) * UNIT_MS[ago[2].toLowerCase()] }
  if (trimmed.toLowerCase() === 'now') return { timestamp: now }
  // A time without a time zone is in UTC. All times in a replica are in UTC.
  if (/^\d{4}-\d\d-\d\d/.test(trimmed)) return { timestamp: parseTimestamp(trimmed) }
  try {
    return { timestamp: await parseFreeTime(trimmed, now) }
  } catch (cause) {
    const reason = toLitestreamError(cause).message.replace(/^invalid time ".*?": /, '')
    throw new LitestreamError(
      'INVALID_ARGUMENT',
      `invalid timestamp (expected RFC 3339, a relative time like '5 minutes ago', a TXID, or LATEST): ${text}: ${reason}`,
      { hint: FREE_TIME_HINT, cause },
    )
  }
}
