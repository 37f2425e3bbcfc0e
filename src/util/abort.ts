import { LitestreamError } from '../errors.js'

/**
 * Returns an ABORTED error whose cause is the reason of `signal`. `what` names the cancelled work,
 * for example "reading ltx/0/…".
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
 * immediately. Returns a function that removes `callback` again. The caller must call the returned
 * function as soon as the callback is no longer needed. Until the caller calls the returned
 * function, a long-lived signal keeps the callback in memory. The callback must not throw.
 *
 * All code uses onAbort() instead of `addEventListener` and `AbortSignal.any`. With onAbort(), a
 * signal has only one event listener for all callbacks. onAbort() adds or removes a callback in
 * constant time. `addEventListener` instead searches all listeners of the signal. For many requests
 * on one signal, the searches of `addEventListener` take quadratic time. On Node.js 20, each call
 * of `AbortSignal.any` leaks memory in a long-lived signal.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => {}
  if (signal.aborted) {
    callback()
    return () => {}
  }
  const { set, listener } = callbacksOf.get(signal) ?? listenTo(signal)
  // Each call of onAbort() makes a function object of its own. A caller may therefore add the same
  // function twice.
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
    // A callback may remove another callback. A removed callback is not called any more.
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
