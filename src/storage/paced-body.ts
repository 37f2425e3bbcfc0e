import { LitestreamError } from '../errors.js'
import { abortError, onAbort } from '../util/abort.js'
import { startTimer, type Timer } from '../util/timers.js'

/** Empty chunks in a row after which other work of the thread gets its turn, and with it the timer that ends a silent body. */
const EMPTY_CHUNKS = 100

/** Time that may be spent waiting for a body, over all requests that it takes. Milliseconds. */
export interface Allowance {
  readonly limit: number
  waited: number
}

/** The part of an answer (OpenedBody) that is used here. */
export interface PacedSource {
  readonly chunks: AsyncIterable<Uint8Array>
  cancel(error: LitestreamError): void
  close(): Promise<void>
}

export interface PacedBodyOptions {
  /** For messages: "reading s3://…". */
  readonly what: string
  /** Milliseconds without a byte after which the body is given up. */
  readonly idleTimeout: number
  readonly allowance: Allowance
  readonly signal: AbortSignal | undefined
  /** Fires, with a LitestreamError as reason, when the client is closed. */
  readonly closing: AbortSignal | undefined
  /** Turns what `chunks` threw into a LitestreamError. */
  readonly toError: (error: unknown) => LitestreamError
}

/**
 * The chunks of one body, each of at least one byte, waited for no longer than the policy allows: TIMEOUT for silence and for a body
 * that takes longer than its allowance, ABORTED for the signal. Only time in which a chunk is waited for counts, not the consumer's.
 * One timer and one callback on the signal, however many chunks come. One `next` at a time.
 */
export class PacedBody {
  readonly #body: PacedSource
  readonly #options: PacedBodyOptions
  readonly #iterator: AsyncIterator<Uint8Array>
  readonly #forgets: readonly (() => void)[]
  #patience: number
  #timer: Timer | undefined
  /** By `performance.now()`; undefined while nothing is waited for. */
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

  /** The next chunk; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    this.#waitingSince = performance.now()
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

  /** As `next`, but waits for `ms` milliseconds at the most. */
  within(ms: number): Promise<Uint8Array | undefined> {
    this.#patience = ms
    this.#timer?.stop()
    this.#timer = undefined
    return this.next()
  }

  /** Ends the transfer, if it has not come to its end. Must be called. */
  async close(): Promise<void> {
    for (const forget of this.#forgets) forget()
    this.#timer?.stop()
    const closed = this.#body.close()
    // Where a chunk is waited for, that wait may never be over.
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
    return this.#waitingSince === undefined ? 0 : performance.now() - this.#waitingSince
  }

  /** One timer at a time, not one for each chunk: a timer that was set for one chunk finds another one being waited for. */
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
    // A thread that was busy finds the timer first, and what has come meanwhile after it.
    else {
      setImmediate(() => {
        const error = this.#waitingSince === since ? this.#expiry() : undefined
        if (error !== undefined) this.#fail(error)
      })
    }
  }

  /** Why the wait is over; undefined while it is not. */
  #expiry(): LitestreamError | undefined {
    const { allowance, what } = this.#options
    const { limit, waited } = allowance
    if (waited + this.#waited >= limit) return timeout(`${what} failed: it takes longer than ${seconds(limit)}`)
    if (this.#waited >= this.#patience) return timeout(`${what} failed: no byte came in ${seconds(this.#patience)}`)
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
    hint: 'Check the network between this machine and the store, and that the store is not overloaded.',
  })
}
