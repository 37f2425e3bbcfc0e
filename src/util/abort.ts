import { LitestreamError } from '../errors.js'

/**
 * Returns an ABORTED error whose cause is the reason of the signal. `what` names the cancelled
 * work, for example "reading ltx/0/…".
 */
export function abortError(signal: AbortSignal, what: string): LitestreamError {
  return new LitestreamError('ABORTED', `${what} was cancelled`, { cause: signal.reason })
}

export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw abortError(signal, what)
}

interface Callbacks {
  readonly set: Set<() => void>
  readonly listener: () => void
}

const callbacksOf = new WeakMap<AbortSignal, Callbacks>()

/**
 * Calls `callback` when `signal` aborts. If `signal` has aborted already, calls `callback`
 * immediately. Returns a function that removes the callback. The caller must call the returned
 * function as soon as the callback is no longer needed. A long-lived signal keeps the callback in
 * memory. The callback must not throw.
 *
 * All code uses this function instead of `addEventListener` and `AbortSignal.any`. A signal has
 * only one listener for all callbacks. Adding or removing a callback takes constant time.
 * `addEventListener` searches all listeners of a signal. For many requests on one signal, these
 * searches take quadratic time. On Node.js 20, each call of `AbortSignal.any` leaks memory in a
 * long-lived signal.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => {}
  if (signal.aborted) {
    callback()
    return () => {}
  }
  const { set, listener } = callbacksOf.get(signal) ?? listenTo(signal)
  // Each call gets a function object of its own. A caller may therefore add the same function
  // twice.
  const entry = () => callback()
  set.add(entry)
  return () => {
    if (!set.delete(entry) || set.size > 0) return
    callbacksOf.delete(signal)
    signal.removeEventListener('abort', listener)
  }
}

function listenTo(signal: AbortSignal): Callbacks {
  const set = new Set<() => void>()
  const listener = () => {
    callbacksOf.delete(signal)
    // A callback may remove another callback. The removed callback is then not called.
    for (const callback of set) {
      set.delete(callback)
      callback()
    }
  }
  const callbacks = { set, listener }
  callbacksOf.set(signal, callbacks)
  signal.addEventListener('abort', listener, { once: true })
  return callbacks
}

/**
 * Aborts `controller` with the reason of `signal` when `signal` aborts. The caller must call the
 * returned function when it no longer needs the link between the two. If the link is not removed, a
 * long-lived signal keeps the controller in memory.
 */
export function linkAbort(signal: AbortSignal | undefined, controller: AbortController): () => void {
  return onAbort(signal, () => controller.abort(signal?.reason))
}
