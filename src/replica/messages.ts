import type { ErrorCode, SerializedError } from '../errors.js'
import type { SessionEvent } from './worker/replica-session.js'

/** The BroadcastChannel between the worker and the handles of every thread. */
export const CHANNEL = 'litestream-ts'

/** A message from the worker to every handle. */
export type WorkerMessage =
  | { readonly from: 'worker'; readonly replica: number; readonly event: SessionEvent }
  /**
   * The worker's answer to a call of a handle. `call` is the ID that the caller chose for its call.
   */
  | { readonly from: 'worker'; readonly call: string; readonly result?: unknown; readonly error?: SerializedError }

/**
 * A warning that the worker sends to the thread that started the worker. The thread that started
 * the worker logs the warning.
 */
export interface WorkerWarning {
  readonly code: ErrorCode
  readonly message: string
}

/**
 * A call that a handle sends to the worker. The text of a bridge request contains the call. The
 * native bridge keeps the request until a worker is attached.
 */
export type HandleCall =
  /**
   * Opens the replica. With `sharesConnections`, the worker opens all later replicas with shared
   * connections (`shareConnections`).
   */
  | { readonly call: string; readonly method: 'open'; readonly sharesConnections?: boolean }
  | { readonly call: string; readonly method: 'refresh' }
  | { readonly call: string; readonly method: 'stats' }
  /**
   * Asks the worker for an answer. The worker answers when every commit of this process is in the
   * store.
   */
  | { readonly call: string; readonly method: 'flush' }
  | { readonly call: string; readonly method: 'resolve'; readonly target: string }
