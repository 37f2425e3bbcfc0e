import { parseDuration } from '../util/duration.js'
import type { Health } from './document.js'

/** Being behind for longer than this is a fault, unless the asker says otherwise. Milliseconds. */
const MAX_LAG = 60_000

export interface Healthy {
  readonly path: string
  readonly state: string
  readonly lagMs: number
  readonly error?: { readonly message: string } | undefined
}

/**
 * Whether everything that is to be replicated, or read, is: nothing fenced, nothing behind for longer than `maxLag` (Go's duration).
 * What was stopped on purpose, or is waited for, is no fault.
 */
export function health(all: readonly Healthy[], maxLag: string | null): Health {
  const limit = maxLag === null ? MAX_LAG : parseDuration(maxLag, 'max-lag')
  const details = all.map(({ path, state, lagMs, error }) => ({
    path,
    ok: state !== 'fenced' && lagMs <= limit,
    state,
    lag_seconds: lagMs / 1000,
    ...(error ? { error: error.message } : {}),
  }))
  return { status: details.every(({ ok }) => ok) ? 'ok' : 'behind', databases: details }
}
