import { type ErrorCode, LitestreamError } from '../errors.js'
import { formatDuration, parseDuration } from '../util/duration.js'
import type { DatabaseFault, Health, PartFault } from './document.js'

/** How long a replica may be behind, a database file may be missing or a passing fault may last; the default of `max-lag`. Ms. */
export const MAX_LAG_MS = 60_000

/** Compaction that fails leaves the replica longer than it should be, not behind: such a fault may last longer. Milliseconds. */
const COMPACTION_GRACE_MS = 15 * 60_000

/** Faults that usually pass: they count once they have lasted for `max-lag`. Any other counts at once. */
const PASSING: readonly ErrorCode[] = ['UNAVAILABLE', 'TIMEOUT', 'THROTTLED', 'DATABASE_BUSY', 'DATABASE_REPLACED']

/** What the verdict on one database, or one replica that is read, follows from. */
export interface Condition {
  readonly path: string
  readonly state: string
  /** How long the oldest commit that is not in the replica has been waiting, milliseconds. */
  readonly lagMs: number
  /** How long there has been no database file, milliseconds; undefined while there is one. */
  readonly missingMs?: number | undefined
  readonly error?: DatabaseFault | undefined
}

export interface Verdict {
  readonly ok: boolean
  /** Why it is not, as a sentence for a person. */
  readonly reason?: string
  readonly kind?: 'behind' | 'failing'
}

const failing = (reason: string): Verdict => ({ ok: false, reason, kind: 'failing' })

/**
 * Whether a database is replicated. The one rule for /healthz, /status.json, the page, the metrics, the commands and the exit status.
 * A database that was stopped on purpose, or that another primary replicates while this one stands by, is in order.
 */
export function databaseVerdict(condition: Condition, maxLagMs: number = MAX_LAG_MS): Verdict {
  const { state, lagMs, missingMs, error } = condition
  if (state === 'stopped') return { ok: true }
  if (state === 'fenced') return failing(error?.message ?? 'another primary writes to the replica')
  if (error && !error.retried) return failing(error.message)
  if (error && error.ageMs > graceOf(error, maxLagMs)) return failing(error.message)
  if (missingMs !== undefined && missingMs > maxLagMs) {
    return failing(`the database file has been missing for ${formatDuration(Math.round(missingMs))}`)
  }
  if (lagMs > maxLagMs) {
    return { ok: false, kind: 'behind', reason: `the replica is ${formatDuration(Math.round(lagMs))} behind` }
  }
  return { ok: true }
}

/** How long a fault may last before it counts, milliseconds; negative: not at all. */
export function graceOf({ code, operation }: DatabaseFault, maxLagMs: number): number {
  if (!PASSING.includes(code)) return -1
  return operation === 'compaction' ? Math.max(maxLagMs, COMPACTION_GRACE_MS) : maxLagMs
}

/**
 * The verdict when a process ends, after the last sync: a fault that was allowed to last no longer is, because no retry follows.
 * A database that never had a file keeps its grace, as there was nothing to replicate.
 */
export function finalVerdict(condition: Condition): Verdict {
  const { error } = condition
  if (error && error.operation !== 'compaction' && condition.state !== 'stopped') return failing(error.message)
  return databaseVerdict({ ...condition, lagMs: 0 })
}

/** The answer of /healthz. `maxLag`: Go's duration as the request has it; throws INVALID_ARGUMENT for one that is none. */
export function health(conditions: readonly Condition[], parts: readonly PartFault[], maxLag: string | null): Health {
  const limit = maxLag === null ? MAX_LAG_MS : parseMaxLag(maxLag)
  const verdicts = conditions.map((condition) => ({ condition, verdict: databaseVerdict(condition, limit) }))
  const isFailing = verdicts.some(({ verdict }) => verdict.kind === 'failing') || parts.some((part) => part.replication)
  const isBehind = verdicts.some(({ verdict }) => !verdict.ok)
  return {
    status: isFailing ? 'failing' : isBehind ? 'behind' : parts.length > 0 ? 'degraded' : 'ok',
    databases: verdicts.map(({ condition: { path, state, lagMs, error }, verdict }) => ({
      path,
      ok: verdict.ok,
      state,
      lag_seconds: lagMs / 1000,
      ...(verdict.reason ? { reason: verdict.reason } : {}),
      ...(error ? { error: error.message } : {}),
    })),
    ...(parts.length > 0
      ? {
          parts: parts.map(({ part, name, replication, message, since }) => {
            return { part, name, ok: !replication, error: message, error_since: new Date(since).toISOString() }
          }),
        }
      : {}),
  }
}

/** Whether everything that is to be replicated is: a listener or a heartbeat that fails costs no replication. */
export function isHealthy({ status }: Health): boolean {
  return status === 'ok' || status === 'degraded'
}

function parseMaxLag(text: string): number {
  const ms = parseDuration(text, 'max-lag')
  if (ms >= 0) return ms
  throw new LitestreamError('INVALID_ARGUMENT', `invalid max-lag: ${JSON.stringify(text)}`, {
    hint: 'Write a duration of 0s or more, such as 60s.',
  })
}
