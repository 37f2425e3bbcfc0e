/**
 * Default time in milliseconds for which a lease is valid without renewal. The default is defined
 * here and not in lease.ts, because an import of lease.ts also loads the schema library.
 */
export const DEFAULT_LEASE_TTL = 30_000
