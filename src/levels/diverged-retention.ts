/**
 * Default of `retention.diverged`, the time for which retention keeps the state before a
 * divergence. In milliseconds.
 */
export const DIVERGED_RETENTION_MS = 30 * 24 * 3_600_000
