import { type ErrorCode, LitestreamError } from '../errors.js'
import { formatDuration, parseDuration } from '../util/duration.js'
import type { DatabaseFault, Health, PartFault } from './document.js'

/**
 * Default of `max-lag`, the maximum time in milliseconds for which a replica may be behind, a
 * database file may be missing, or a temporary fault may last.
 */
const MAX_LAG_MS = 60_000

/**
 * Maximum time in milliseconds for which compaction may fail. COMPACTION_GRACE_MS is longer than
 * MAX_LAG_MS. Failing compaction leaves more files than necessary in the replica, but does not make
 * the replica lag.
 */
const COMPACTION_GRACE_MS = 15 * 60_000

/**
 * Longest sensible interval between two checks of the WAL (`monitor-interval`), in milliseconds.
 */
const POLL_MARGIN_MS = 30_000

/**
 * Codes of usually temporary faults. A fault with a code in PASSING counts only after it has lasted
 * for `max-lag`. A fault with any other code counts immediately.
 */
const PASSING: readonly ErrorCode[] = ['UNAVAILABLE', 'TIMEOUT', 'THROTTLED', 'DATABASE_BUSY', 'DATABASE_REPLACED']

/**
 * The inputs of the verdict on one replicated database, or on one replica that the process reads.
 */
export interface Condition {
  readonly path: string
  readonly state: string
  /** Age of the oldest commit that is not in the replica, in milliseconds. */
  readonly lagMs: number
  /**
   * How long the database file has been missing, in milliseconds, or undefined while the file
   * exists.
   */
  readonly missingMs?: number | undefined
  readonly error?: DatabaseFault | undefined
  /**
   * Milliseconds since the primary last knew that the replica had every commit, or undefined if the
   * database is not being replicated. The primary sets `behindMs` back to 0 at each check of the
   * WAL, even without new commits.
   */
  readonly behindMs?: number | undefined
  /** A sentence that describes a divergence that no user has acknowledged. */
  readonly divergence?: string | undefined
  readonly weakFencing?: string | undefined
}

export interface Verdict {
  readonly ok: boolean
  /** A sentence that says why the database or the replica is not ok. */
  readonly reason?: string
  /** What the user should do next (absent if an error has its own hint). */
  readonly hint?: string
  readonly kind?: 'behind' | 'failing' | 'missing' | 'diverged'
}

const failing = (reason: string, kind: Verdict['kind'] = 'failing'): Verdict => ({ ok: false, reason, kind })

/**
 * Whether a database is replicated. /healthz, /status.json, the status page, the metrics, the
 * commands and the exit status all use databaseVerdict(). A database that a user has stopped counts
 * as ok. A database on standby also counts as ok, because another primary replicates it.
 */
export function databaseVerdict(condition: Condition, maxLagMs: number = MAX_LAG_MS): Verdict {
  const { state, lagMs, missingMs, error, behindMs = 0, divergence } = condition
  if (state === 'stopped') return { ok: true }
  if (state === 'fenced') return failing(error?.message ?? 'another primary writes to the replica')
  if (error && !error.retried) return failing(error.message)
  if (error && error.ageMs > graceOf(error, maxLagMs)) return failing(error.message)
  if (missingMs !== undefined && missingMs > maxLagMs) {
    const hint =
      'Check the path of the database in the configuration. Set `allow-missing: true` if the database file may be missing.'
    return { ...failing(`the database file has been missing for ${inSeconds(missingMs)}`, 'missing'), hint }
  }
  if (divergence !== undefined) return failing(divergence, 'diverged')
  if (lagMs > maxLagMs) {
    const hint =
      'Check the log for errors of the store, and check whether the connection to the store is fast enough for the commits.'
    return { ok: false, kind: 'behind', reason: `the replica is ${inSeconds(lagMs)} behind`, hint }
  }
  if (missingMs === undefined && behindMs > maxLagMs + POLL_MARGIN_MS) {
    return {
      ok: false,
      kind: 'behind',
      reason: `replication does not advance: the last complete sync was ${inSeconds(behindMs)} ago`,
      hint: 'Check `monitor-interval`, the load of the machine and the log, then restart the process.',
    }
  }
  return { ok: true }
}

/**
 * Formats a duration in whole seconds. Milliseconds are meaningless in a duration of a minute or
 * more.
 */
function inSeconds(ms: number): string {
  return formatDuration(Math.round(ms / 1000) * 1000)
}

/**
 * The state of a database in one or two words for a user. The label is never `replicating` for a
 * database that is not replicated.
 */
export function stateLabel({ state, missingMs, error }: Condition, { ok, kind }: Verdict): string {
  if (state === 'stopped' || state === 'fenced' || state === 'standby') return state
  if (missingMs !== undefined) return 'no database file'
  if (!ok) return kind === 'diverged' ? 'diverged' : kind === 'behind' ? 'behind' : 'failing'
  if (error) return 'retrying'
  return state === 'open' ? 'waiting for the file' : state
}

/**
 * How long a fault may last in milliseconds before the verdict becomes negative. A negative result
 * means that the fault counts immediately.
 */
export function graceOf({ code, operation }: DatabaseFault, maxLagMs: number): number {
  if (!PASSING.includes(code)) return -1
  return operation === 'compaction' ? Math.max(maxLagMs, COMPACTION_GRACE_MS) : maxLagMs
}

/**
 * The verdict when a process ends, after the final sync. A temporary fault counts immediately,
 * because no retry follows. For faults of compaction, the rules of databaseVerdict() apply instead.
 * A database whose file never existed is ok, because the primary had nothing to replicate.
 */
export function finalVerdict(condition: Condition): Verdict {
  const { error } = condition
  if (error && error.operation !== 'compaction' && condition.state !== 'stopped') return failing(error.message)
  return databaseVerdict({ ...condition, lagMs: 0, behindMs: 0 })
}

/**
 * Returns the response of /healthz. `maxLag` is a Go duration from the request. Throws
 * INVALID_ARGUMENT if `maxLag` is invalid.
 */
export function health(conditions: readonly Condition[], parts: readonly PartFault[], maxLag: string | null): Health {
  const limit = maxLag === null ? MAX_LAG_MS : parseMaxLag(maxLag)
  const verdicts = conditions.map((condition) => ({ condition, verdict: databaseVerdict(condition, limit) }))
  const isFailing =
    verdicts.some(({ verdict }) => verdict.kind !== undefined && verdict.kind !== 'behind') ||
    parts.some((part) => part.replication)
  const isBehind = verdicts.some(({ verdict }) => !verdict.ok)
  return {
    status: isFailing ? 'failing' : isBehind ? 'behind' : parts.length > 0 ? 'degraded' : 'ok',
    databases: verdicts.map(({ condition: { path, state, lagMs, error, weakFencing }, verdict }) => ({
      path,
      ok: verdict.ok,
      state,
      lag_seconds: lagMs / 1000,
      ...(verdict.reason ? { reason: verdict.reason } : {}),
      ...(error ? { error: error.message } : {}),
      ...(weakFencing ? { weak_fencing: weakFencing } : {}),
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

/**
 * Whether all databases that should be replicated are replicated. A failing listener or heartbeat
 * does not affect replication.
 */
export function isHealthy({ status }: Health): boolean {
  return status === 'ok' || status === 'degraded'
}

function parseMaxLag(text: string): number {
  const ms = parseDuration(text, 'max-lag')
  if (ms >= 0) return ms
  throw new LitestreamError('INVALID_ARGUMENT', `invalid max-lag: ${JSON.stringify(text)}`, {
    hint: 'Set max-lag to a duration of 0s or more, such as 60s.',
  })
}
