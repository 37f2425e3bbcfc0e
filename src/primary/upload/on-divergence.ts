/**
 * The actions for a database that does not continue the newest state of its replica.
 * ReplicatorOptions explains each action.
 */
export const ON_DIVERGENCE = ['continue', 'refuse', 'restore'] as const
export type OnDivergence = (typeof ON_DIVERGENCE)[number]
