import { onAbort } from './abort.js'

/**
 * A promise that results, signals and timers can settle, whichever comes first. The first call of
 * `resolve` or `reject` settles the promise. Later calls have no effect.
 */
export class Pending<T> {
  readonly promise: Promise<T>
  #settled = false
  #resolve!: (value: T) => void
  #reject!: (error: unknown) => void
  readonly #cleanUps: (() => void)[] = []

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  resolve(value: T): void {
    if (this.#settle()) this.#resolve(value)
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error)
  }

  /** Settles the Pending in the same way as `work` settles. */
  follow(work: Promise<T>): void {
    work.then(
      (value) => this.resolve(value),
      (error: unknown) => this.reject(error),
    )
  }

  /**
   * Calls `cleanUp` when the Pending settles. If the Pending has already settled, calls `cleanUp`
   * immediately. `cleanUp` must not throw.
   */
  onSettled(cleanUp: () => void): void {
    if (this.#settled) cleanUp()
    else this.#cleanUps.push(cleanUp)
  }

  /**
   * Calls `callback` when `signal` aborts. If `signal` has aborted already, calls `callback`
   * immediately. Does not call `callback` after the Pending has settled.
   */
  onAbort(signal: AbortSignal | undefined, callback: () => void): void {
    if (!this.#settled) this.onSettled(onAbort(signal, callback))
  }

  #settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    for (const cleanUp of this.#cleanUps) cleanUp()
    return true
  }
}
