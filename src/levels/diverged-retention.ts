/**
 * Default of `retention.diverged`, the time in milliseconds for which retention keeps the files
 * from before a divergence.
 */
export const DIVERGED_RETENTION_MS = 30 * 24 * 3_600_000
