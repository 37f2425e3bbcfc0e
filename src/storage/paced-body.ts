import { LitestreamError } from '../errors.js'
import { abortError, onAbort } from '../util/abort.js'
import { elapsedMs } from '../util/elapsed.js'
import { startTimer, type Timer } from '../util/timers.js'

/**
 * After this many consecutive empty chunks, the reader yields to the event loop, so that the timer
 * can end a body that sends no bytes.
 */
const EMPTY_CHUNKS = 100

/**
 * The time that a client may wait for the bytes of a body, over all requests for the body. `limit`
 * is the maximum in milliseconds, and `waited` is the part of it that the client has waited so far.
 */
export interface Allowance {
  readonly limit: number
  waited: number
}

/** The parts of a response that PacedBody uses. */
export interface PacedSource {
  readonly chunks: AsyncIterable<Uint8Array>
  cancel(error: LitestreamError): void
  close(): Promise<void>
}

export interface PacedBodyOptions {
  /** Words for messages, such as "reading s3://…". */
  readonly what: string
  /** Reading the body fails if no byte arrives for this many milliseconds. */
  readonly idleTimeout: number
  readonly allowance: Allowance
  readonly signal: AbortSignal | undefined
  /** Aborts when the client is closed. The reason of the abort is a LitestreamError. */
  readonly closing: AbortSignal | undefined
  /** Converts an error of `chunks` to a LitestreamError. */
  readonly toError: (error: unknown) => LitestreamError
}

/**
 * Reads the chunks of one response body, and waits no longer than the policy allows. Each chunk
 * that the reader returns has at least one byte. Throws TIMEOUT if no byte arrives during
 * `idleTimeout`, or if the waits together exceed the allowance. Throws ABORTED if the signal
 * aborts. Only the time during which the reader waits for chunks counts against the allowance. The
 * time during which the consumer processes a chunk does not count. All chunks share one timer and
 * one callback on the signal. A caller must not call `next` again before the previous call has
 * settled.
 */
export class PacedBody {
  readonly #body: PacedSource
  readonly #options: PacedBodyOptions
  readonly #iterator: AsyncIterator<Uint8Array>
  readonly #forgets: readonly (() => void)[]
  #patience: number
  #timer: Timer | undefined
  /**
   * Time at which the current wait for a chunk began, as a value of `elapsedMs()`. The time is
   * undefined while the reader does not wait.
   */
  #waitingSince: number | undefined
  #reject: ((error: unknown) => void) | undefined
  #failure: LitestreamError | undefined

  constructor(body: PacedSource, options: PacedBodyOptions) {
    const { idleTimeout, signal, closing, what } = options
    this.#body = body
    this.#options = options
    this.#patience = idleTimeout
    this.#iterator = body.chunks[Symbol.asyncIterator]()
    this.#forgets = [
      onAbort(signal, () => this.#fail(abortError(signal!, what))),
      onAbort(closing, () => this.#fail(closing!.reason)),
    ]
  }

  /** Returns the next chunk, or undefined at the end of the body. */
  async next(): Promise<Uint8Array | undefined> {
    this.#waitingSince = elapsedMs()
    try {
      for (let empty = 0; ; empty++) {
        if (empty > 0 && empty % EMPTY_CHUNKS === 0) await new Promise(setImmediate)
        const { done, value } = await this.#nextChunk()
        if (done) return undefined
        if (value.byteLength > 0) return value
      }
    } finally {
      this.#options.allowance.waited += this.#waited
      this.#waitingSince = undefined
    }
  }

  /** Does the same as `next`, but waits at most `ms` milliseconds. */
  within(ms: number): Promise<Uint8Array | undefined> {
    this.#patience = ms
    this.#timer?.stop()
    this.#timer = undefined
    return this.next()
  }

  /**
   * Ends the transfer of the body if it is not complete. The caller must call close() after every
   * body, also after an error.
   */
  async close(): Promise<void> {
    for (const forget of this.#forgets) forget()
    this.#timer?.stop()
    const closed = this.#body.close()
    // If the reader still waits for a chunk, the promise of closing the body may never settle.
    if (this.#reject === undefined) await closed
    else closed.catch(() => undefined)
  }

  #nextChunk(): Promise<IteratorResult<Uint8Array>> {
    this.#timer ??= this.#startCheck()
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure)
        return
      }
      this.#reject = reject
      this.#iterator.next().then(
        (result) => {
          this.#reject = undefined
          resolve(result)
        },
        (error: unknown) => {
          this.#reject = undefined
          reject(this.#failure ?? this.#options.toError(error))
        },
      )
    })
  }

  get #waited(): number {
    return this.#waitingSince === undefined ? 0 : elapsedMs() - this.#waitingSince
  }

  /**
   * Starts the timer that all chunks of the body share. When the timer fires, the reader may
   * already be waiting for a later chunk than the one for which the timer started.
   */
  #startCheck(): Timer {
    const { limit, waited } = this.#options.allowance
    const left = Math.min(this.#patience, limit - waited) - this.#waited
    return startTimer(Math.max(1, left), () => this.#check())
  }

  #check(): void {
    this.#timer = undefined
    const since = this.#waitingSince
    if (since === undefined) return
    if (this.#expiry() === undefined) this.#timer = this.#startCheck()
    // On a busy thread, the timer fires before Node.js delivers chunks that have already arrived.
    // The reader therefore checks again after Node.js has delivered the arrived chunks.
    else {
      setImmediate(() => {
        const error = this.#waitingSince === since ? this.#expiry() : undefined
        if (error !== undefined) this.#fail(error)
      })
    }
  }

  /**
   * Returns the error that must end the reader's current wait, or undefined if the wait may
   * continue.
   */
  #expiry(): LitestreamError | undefined {
    const { allowance, what } = this.#options
    const { limit, waited } = allowance
    if (waited + this.#waited >= limit)
      return timeout(`${what} failed: the transfer takes longer than ${seconds(limit)}`)
    if (this.#waited >= this.#patience)
      return timeout(`${what} failed: no byte arrived within ${seconds(this.#patience)}`)
    return undefined
  }

  #fail(error: LitestreamError): void {
    this.#failure ??= error
    this.#body.cancel(this.#failure)
    this.#reject?.(this.#failure)
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`
}

function timeout(message: string): LitestreamError {
  return new LitestreamError('TIMEOUT', message, {
    hint: 'Check the network between this machine and the store, and check that the store is not overloaded.',
  })
}
