/**
 * The actions for a database that diverged from its replica. The documentation of
 * ReplicationSettings explains each action.
 */
export const ON_DIVERGENCE = ['continue', 'refuse', 'restore'] as const
export type OnDivergence = (typeof ON_DIVERGENCE)[number]
