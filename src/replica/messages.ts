import type { SerializedError } from '../errors.js'
import type { SessionEvent } from './worker/replica-session.js'

/** Handles of every thread and the worker meet on this BroadcastChannel. */
export const CHANNEL = 'litestream-ts'

/** From the worker to every handle. */
export type WorkerMessage =
  | { readonly from: 'worker'; readonly replica: number; readonly event: SessionEvent }
  /** The answer to a call; `call` is the caller's own id. */
  | { readonly from: 'worker'; readonly call: string; readonly result?: unknown; readonly error?: SerializedError }

/** From the worker to the thread that started it, which warns of it. */
export interface WorkerWarning {
  readonly code: string
  readonly message: string
}

/** From a handle to the worker, sent as the text of a request over the bridge, which keeps it until the worker is there. */
export type HandleCall =
  | { readonly call: string; readonly method: 'open' }
  | { readonly call: string; readonly method: 'refresh' }
  | { readonly call: string; readonly method: 'stats' }
  /** Waits until every commit of this process is in the store. */
  | { readonly call: string; readonly method: 'flush' }
  | { readonly call: string; readonly method: 'resolve'; readonly target: string }
