/**
 * Default time in milliseconds for which a lease is valid without renewal. The constant is separate
 * from lease.ts, because lease.ts loads the code of a schema library.
 */
export const DEFAULT_LEASE_TTL = 30_000
