/**
 * How long a lease is valid without renewal, in milliseconds. Separate from lease.ts, which loads a
 * schema library.
 */
export const DEFAULT_LEASE_TTL = 30_000
