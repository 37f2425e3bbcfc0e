import type { SerializedError } from '../errors.js'
import type { Divergence } from '../levels/divergence-record.js'
import type { StoreOptions } from '../storage/open.js'
import type { CheckpointMode, PrimaryEvents } from './events.js'
import type { ReplicatorOptions } from './options.js'
import type { ReplicatorStatus, SyncOptions, SyncResult } from './replicator-status.js'

/** Data passed to the worker thread of a primary at its start. */
export interface PrimaryWorkerData {
  readonly path: string
  readonly url: string
  readonly storage: StoreOptions | undefined
  readonly options: Partial<ReplicatorOptions>
}

/** The calls that a handle can send to the worker thread of a primary. */
export interface PrimaryCalls {
  sync(options: Pick<SyncOptions, 'wait'>): Promise<SyncResult>
  checkpoint(mode: CheckpointMode): Promise<PrimaryEvents['checkpoint']>
  status(): Promise<ReplicatorStatus>
  acknowledge(): Promise<readonly Divergence[]>
  close(): Promise<void>
}

export interface CallMessage {
  readonly id: number
  /**
   * The call `abort` cancels the requests of a running `close`. The worker does not answer `abort`.
   */
  readonly call: keyof PrimaryCalls | 'abort'
  readonly argument: unknown
}

/**
 * The ID of the worker's first answer. The first answer says that the replica is open, or why the
 * replica could not be opened.
 */
export const READY = 0

export type WorkerMessage =
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly error: SerializedError }
  /** `error` is the error of an `error` event, in a form that can be sent between threads. */
  | {
      readonly kind: 'event'
      readonly name: keyof PrimaryEvents
      readonly event: unknown
      readonly error?: SerializedError
    }
