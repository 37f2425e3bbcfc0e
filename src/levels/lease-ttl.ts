/** How long a lease is valid without being renewed, milliseconds. Apart from lease.ts, which loads a schema library. */
export const DEFAULT_LEASE_TTL = 30_000
