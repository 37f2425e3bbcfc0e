import { channel } from 'node:diagnostics_channel'

/** The steps of a writer, in the order of a transaction, then those of its background work. */
export const WRITE_STEPS = [
  // A connection requests the RESERVED lock. `lease taken`: only for the first transaction.
  'begin',
  'lease taken',
  'may write',
  // A connection commits to the store.
  'commit',
  'encoded',
  'put',
  'stored',
  'published',
  // A connection commits to the local buffer.
  'append',
  'appended',
  'visible',
  // Local commits are uploaded, with `put` and `stored` between these.
  'merge',
  'announced',
  'uploaded',
  'buffer restarted',
  // A process takes over the buffer of another one.
  'recover',
  'recovered',
  // Background work, and the end.
  'lease renewed',
  'compaction request',
  'close',
  'released',
] as const
export type WriteStep = (typeof WRITE_STEPS)[number]

const steps = channel('litestream-ts:write')

/**
 * Announces a step to subscribers of the diagnostics channel `litestream-ts:write`. Tests kill the
 * process there. Without a subscriber it does nothing.
 */
export function reached(step: WriteStep): void {
  if (steps.hasSubscribers) steps.publish(step)
}
