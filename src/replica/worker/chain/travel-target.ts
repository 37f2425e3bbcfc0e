import { LitestreamError } from '../../../errors.js'
import type { PlanTarget } from '../../../levels/plan.js'
import { parseTxid } from '../../../ltx/txid.js'

const UNIT_MS: Readonly<Record<string, number>> = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 7 * 86_400_000,
}

/**
 * Where to travel: an RFC 3339 time, "5 minutes ago", "now", or a TXID (16 hex digits). A time leads to the last state *before* it,
 * as in a restore. Throws INVALID_ARGUMENT.
 */
export function parseTravelTarget(text: string, now: number): PlanTarget {
  const trimmed = text.trim()
  if (/^[0-9a-f]{16}$/.test(trimmed)) return { txid: parseTxid(trimmed) }
  const ago = /^(\d+)\s+(second|minute|hour|day|week)s?\s+ago$/i.exec(trimmed)
  if (ago) return { timestamp: now - Number(ago[1]) * UNIT_MS[ago[2].toLowerCase()] }
  if (trimmed.toLowerCase() === 'now') return { timestamp: now }
  if (/^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s*([Zz]|[+-]\d{2}:?\d{2})?)?$/.test(trimmed)) {
    // A time without a zone is UTC here, as everywhere else in a replica.
    const zoned = /[Zz]|[+-]\d{2}:?\d{2}$/.test(trimmed.slice(10)) || trimmed.length === 10 ? trimmed : `${trimmed}Z`
    const timestamp = Date.parse(zoned.replace(' ', 'T'))
    if (!Number.isNaN(timestamp)) return { timestamp }
  }
  throw new LitestreamError(
    'INVALID_ARGUMENT',
    `invalid timestamp (expected RFC 3339, a relative time like '5 minutes ago', a TXID, or LATEST): ${text}`,
  )
}
