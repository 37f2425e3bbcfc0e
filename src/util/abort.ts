import { LitestreamError } from '../errors.js'

/** ABORTED, with the signal's reason as cause. `what` says what was given up, e.g. "reading ltx/0/…". */
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
 * Calls `callback` when `signal` is aborted, at once if it has been. Returns the function that ends the wait; call it as soon as the
 * callback is of no more use, because a long-lived signal keeps what it holds. The callback must not throw.
 *
 * The one place that listens to signals: however many callbacks wait, the signal has one listener, and adding or removing one takes
 * constant time. (`addEventListener` looks through all listeners that a signal has, which is quadratic for many requests on one signal;
 * `AbortSignal.any` leaves something behind in the long-lived signal for each call, on Node 20.)
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => {}
  if (signal.aborted) {
    callback()
    return () => {}
  }
  const { set, listener } = callbacksOf.get(signal) ?? listenTo(signal)
  // An object of its own for each call: the same function may wait twice.
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
    // A callback may end the wait of another one, which is not called then.
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
 * The promise, or a rejection as soon as one of the signals is aborted: with `toError(signal)`, by default the signal's reason. The work
 * behind the promise goes on.
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
 * Aborts `controller` when `signal` does, with its reason. Returns how to end that, which must be called: the long-lived signal
 * would hold the controller.
 */
export function linkAbort(signal: AbortSignal | undefined, controller: AbortController): () => void {
  return onAbort(signal, () => controller.abort(signal?.reason))
}
