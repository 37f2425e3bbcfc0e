import { parseDuration } from '../../util/duration.js'
import type { DatabaseSummary } from './managed-database.js'

/** A replica that is behind for longer than this is a fault, unless the asker says otherwise. Milliseconds. */
const MAX_LAG = 60_000

export interface Health {
  readonly status: 'ok' | 'behind'
  readonly databases: readonly {
    readonly path: string
    readonly ok: boolean
    readonly state: string
    readonly lag_seconds: number
    readonly error?: string
  }[]
}

/**
 * Whether every database that is to be replicated is: none fenced, none behind for longer than `maxLag` (Go's duration). One that
 * was stopped on purpose, or is waited for, is no fault.
 */
export function health(databases: readonly DatabaseSummary[], maxLag: string | null): Health {
  const limit = maxLag === null ? MAX_LAG : parseDuration(maxLag, 'max-lag')
  const details = databases.map(({ path, state, lagMs, error }) => ({
    path,
    ok: state !== 'fenced' && lagMs <= limit,
    state,
    lag_seconds: lagMs / 1000,
    ...(error ? { error: error.message } : {}),
  }))
  return { status: details.every(({ ok }) => ok) ? 'ok' : 'behind', databases: details }
}
