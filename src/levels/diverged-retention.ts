/**
 * How long the state before a divergence is kept; the default of `retention.diverged`.
 * Milliseconds.
 */
export const DIVERGED_RETENTION_MS = 30 * 24 * 3_600_000
