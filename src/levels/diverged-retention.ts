/**
 * Default of `retention.diverged` in milliseconds. For this time, retention keeps the files from
 * before a divergence.
 */
export const DIVERGED_RETENTION_MS = 30 * 24 * 3_600_000
