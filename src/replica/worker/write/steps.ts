import { channel } from 'node:diagnostics_channel'

/**
 * The steps of a writer. WRITE_STEPS first lists the steps of a transaction in their order. The
 * steps of background work follow.
 */
export const WRITE_STEPS = [
  // Steps when a connection requests the RESERVED lock. Only the first transaction reaches the step
  // `lease taken`.
  'begin',
  'lease taken',
  'may write',
  // Steps of a commit to the store.
  'commit',
  'encoded',
  'put',
  'stored',
  'published',
  // Steps of a commit to the write buffer.
  'append',
  'appended',
  'visible',
  // Steps of an upload of local commits. The steps `put` and `stored` come between `announced` and
  // `uploaded`.
  'merge',
  'announced',
  'uploaded',
  'buffer restarted',
  // Steps when a process takes over the write buffer of another process.
  'recover',
  'recovered',
  // Steps of background work, and of closing.
  'lease renewed',
  'compaction request',
  'close',
  'released',
] as const
export type WriteStep = (typeof WRITE_STEPS)[number]

const steps = channel('litestream-ts:write')

/**
 * Announces a step to subscribers of the diagnostics channel `litestream-ts:write`. Tests kill the
 * process at a step. Without a subscriber, `reached` does nothing.
 */
export function reached(step: WriteStep): void {
  if (steps.hasSubscribers) steps.publish(step)
}
