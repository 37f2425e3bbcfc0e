import type { ErrorCode, SerializedError } from '../errors.js'
import type { SessionEvent } from './worker/replica-session.js'

/** The BroadcastChannel between the worker and the handles of every thread. */
export const CHANNEL = 'litestream-ts'

/** From the worker to every handle. */
export type WorkerMessage =
  | { readonly from: 'worker'; readonly replica: number; readonly event: SessionEvent }
  /** The answer to a call; `call` is the caller's own id. */
  | { readonly from: 'worker'; readonly call: string; readonly result?: unknown; readonly error?: SerializedError }

/** Sent by the worker to the thread that started it, which logs the warning. */
export interface WorkerWarning {
  readonly code: ErrorCode
  readonly message: string
}

/**
 * Sent by a handle to the worker as the text of a bridge request; the bridge keeps it until a
 * worker is attached.
 */
export type HandleCall =
  | { readonly call: string; readonly method: 'open' }
  | { readonly call: string; readonly method: 'refresh' }
  | { readonly call: string; readonly method: 'stats' }
  /** Waits until every commit of this process is in the store. */
  | { readonly call: string; readonly method: 'flush' }
  | { readonly call: string; readonly method: 'resolve'; readonly target: string }
