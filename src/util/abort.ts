import { LitestreamError } from '../errors.js'

/**
 * An ABORTED error with the signal's reason as cause. `what` names the cancelled work, for example
 * "reading ltx/0/…".
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
 * Calls `callback` when `signal` aborts, or immediately if it has aborted already. Returns a
 * function that removes the callback; call it as soon as the callback is not needed any more,
 * because a long-lived signal keeps it in memory. The callback must not throw.
 *
 * Only this function listens to signals: a signal has one listener for all callbacks, and adding or
 * removing a callback takes constant time. (`addEventListener` searches all listeners of a signal,
 * which is quadratic for many requests on one signal; `AbortSignal.any` leaks memory in the
 * long-lived signal at each call, on Node.js 20.)
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => {}
  if (signal.aborted) {
    callback()
    return () => {}
  }
  const { set, listener } = callbacksOf.get(signal) ?? listenTo(signal)
  // A new object for each call, because the same function may be added twice.
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
    // A callback may remove another one, which is then not called.
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
 * Resolves with the promise, but rejects as soon as one of the signals aborts: with
 * `toError(signal)`, by default the signal's reason. The work behind the promise continues.
 */
export function orAborted<T>(
  promise: Promise<T>,
  signals: AbortSignal | undefined | readonly (AbortSignal | undefined)[],
  toError: (signal: AbortSignal) => unknown = ({ reason }) => reason,
): Promise<T> {
  const all = (Array.isArray(signals) ? signals : [signals]).filter((signal) => signal !== undefined)
  if (all.length === 0) return promise
  return new Promise<T>((resolve, reject) => {
    const aborted = all.find((signal) => signal.aborted)
    if (aborted !== undefined) {
      promise.catch(() => undefined)
      reject(toError(aborted))
      return
    }
    const removers = all.map((signal) =>
      onAbort(signal, () => {
        end()
        reject(toError(signal))
      }),
    )
    const end = () => {
      for (const remove of removers) remove()
    }
    promise.then(
      (value) => {
        end()
        resolve(value)
      },
      (error: unknown) => {
        end()
        reject(error)
      },
    )
  })
}

/**
 * Aborts `controller` when `signal` aborts, with its reason. The caller must call the returned
 * function to unlink them: the long-lived signal would otherwise keep the controller in memory.
 */
export function linkAbort(signal: AbortSignal | undefined, controller: AbortController): () => void {
  return onAbort(signal, () => controller.abort(signal?.reason))
}
