import { LitestreamError } from '../errors.js'
import { jitteredDelay } from '../util/back-off.js'
import { elapsedMs } from '../util/elapsed.js'
import { pause } from '../util/pause.js'
import type { OperationCounters } from './operation-counters.js'
import { type Allowance, PacedBody } from './paced-body.js'
import type { Operation } from './replica-client.js'
import type { RequestPolicy } from './request-policy.js'
import { isPassing, retrying } from './retry.js'

/**
 * Additional milliseconds per byte that reading a body may take, beyond the budget of the request
 * policy. The value allows a transfer rate of 1 KiB/s. A transfer slower than 1 KiB/s fails with
 * TIMEOUT.
 */
export const MS_PER_BYTE = 1000 / 1024

/**
 * Returns the maximum time in milliseconds that a client waits for a body of `bytes` bytes, summed
 * over all requests for the body.
 */
export function allowanceFor(bytes: number, { budget }: RequestPolicy): Allowance {
  return { limit: budget + bytes * MS_PER_BYTE, waited: 0 }
}

/** Minimum number of bytes that a request must return to count as progress. */
const PROGRESS = 4096

/** Milliseconds to wait for the end of a response after its final byte has arrived. */
const END_TIMEOUT = 1000

/**
 * A store's response to a request for bytes of a file. All offsets count from the beginning of the
 * file.
 */
export interface OpenedBody {
  /**
   * The requested range as offsets. For a suffix range, the client knows `start` only after the
   * response has arrived. `end` is exclusive.
   */
  readonly wanted: { readonly start: number; readonly end: number }
  /**
   * Start of the range that the response announces. The announced range may be larger than the
   * requested range, or may end earlier.
   */
  readonly start: number
  readonly end: number
  readonly chunks: AsyncIterable<Uint8Array>
  /**
   * Ends the reader's wait for the next chunk. After `cancel`, `chunks` may reject with the error,
   * or never settle.
   */
  cancel(error: LitestreamError): void
  /**
   * Releases the connection of the response, even if the reader has not reached the end of the
   * response. readBody() calls `close` once.
   */
  close(): Promise<void>
}

export interface BodyOptions {
  readonly policy: RequestPolicy
  /** Words for messages, such as "reading s3://…". */
  readonly what: string
  readonly signal?: AbortSignal | undefined
  /** Aborts when the client is closed. The reason of the abort is a LitestreamError. */
  readonly closing?: AbortSignal | undefined
  readonly counters: OperationCounters
  readonly operation: Operation
  /** Converts an error thrown while a body is read to a LitestreamError. */
  readonly toError: (error: unknown) => LitestreamError
}

/**
 * Reads the bytes that `open` requests, with as many requests as necessary. If a body is
 * interrupted or ends early, the next request begins at the first missing byte. The clients of all
 * stores read bodies with readBody(). readBody() has three guarantees.
 *
 * - readBody() yields exactly the requested bytes, in order, or throws. readBody() throws
 *   STORAGE_FAILED if a response contains another range than the requested range, or more bytes
 *   than announced.
 * - readBody() always ends. readBody() throws TIMEOUT if no byte arrives during `idleTimeout`, or
 *   if all waits together take longer than `budget` plus 1 s per KiB. After `policy.attempts`
 *   consecutive requests that returned less than 4 KiB each, readBody() throws the error of the
 *   final request.
 * - readBody() holds only one chunk in memory.
 *
 * readBody() calls `open` without an argument for the first request. For each further request,
 * readBody() calls `open` with the offset of the next missing byte.
 */
export async function* readBody(
  open: (at?: number) => Promise<OpenedBody>,
  options: BodyOptions,
): AsyncGenerator<Uint8Array, void> {
  const { policy, what } = options
  const read = new BodyReading(open, options)
  for (let idle = 0; ; ) {
    const from = read.at
    try {
      await read.begin()
      for (let chunk = await read.next(); chunk !== undefined; chunk = await read.next()) yield chunk
      if (read.isDone) return
      throw brokenOff(what, read)
    } catch (error) {
      // `begin` has already made all attempts that the policy allows, so an error of `begin` is
      // final.
      if (!read.hasBegun || !isPassing(error) || read.isSpent) throw error
      idle = read.at! - (from ?? read.start) < PROGRESS ? idle + 1 : 0
      if (idle >= policy.attempts) throw error
    } finally {
      await read.end()
    }
    options.counters.retry(options.operation)
    // Waits before the next request if the previous request returned less than PROGRESS bytes.
    if (idle > 0) await pause(jitteredDelay(idle + 1, 50, 1000), options.signal, options.closing)
  }
}

/** The state of one call of readBody(). */
class BodyReading {
  readonly #open: (at?: number) => Promise<OpenedBody>
  readonly #options: BodyOptions
  #start = 0
  #end = 0
  /** Offset in the file of the next byte to yield, or undefined before the first response. */
  #at: number | undefined
  #allowance: Allowance = { limit: Number.POSITIVE_INFINITY, waited: 0 }
  #lastProgress = elapsedMs()
  #body: PacedBody | undefined
  /**
   * Offset in the file of the next chunk of the current response, and of the end of that response.
   */
  #place = 0
  #placeEnd = 0
  #first: Uint8Array | undefined
  #begun = false

  constructor(open: (at?: number) => Promise<OpenedBody>, options: BodyOptions) {
    this.#open = open
    this.#options = options
  }

  get at(): number | undefined {
    return this.#at
  }

  get start(): number {
    return this.#start
  }

  get hasBegun(): boolean {
    return this.#begun
  }

  get wantedEnd(): number {
    return this.#end
  }

  get isDone(): boolean {
    return this.#at !== undefined && this.#at >= this.#end
  }

  /** Whether the client has used up the time that its allowance permits for waiting. */
  get isSpent(): boolean {
    return this.#allowance.waited >= this.#allowance.limit
  }

  /**
   * Sends a request, with retries, and waits for the first chunk. A response without any chunk
   * counts as a temporary fault if requested bytes are missing.
   */
  async begin(): Promise<void> {
    this.#begun = false
    this.#lastProgress = elapsedMs()
    await retrying(
      async () => {
        await this.end()
        this.#take(await this.#open(this.#at))
        if (this.isDone) return
        this.#first = await this.#nextChunk()
        if (this.#first === undefined) throw brokenOff(this.#options.what, this)
      },
      { ...this.#options, lastProgress: () => this.#lastProgress },
    )
    this.#begun = true
  }

  #take(opened: OpenedBody): void {
    const { policy, what, signal, closing, toError } = this.#options
    const { wanted, start, end } = opened
    if (this.#at === undefined) {
      this.#at = this.#start = wanted.start
      this.#end = wanted.end
      this.#allowance = allowanceFor(wanted.end - Math.min(start, wanted.start), policy)
    }
    this.#place = start
    this.#placeEnd = end
    const { idleTimeout } = policy
    this.#body = new PacedBody(opened, { what, idleTimeout, allowance: this.#allowance, signal, closing, toError })
    if (start > this.#at || (end <= this.#at && !this.isDone)) throw elsewhere(what, this.#at, start, end)
  }

  /**
   * Returns the next chunk. Returns undefined at the end of the response, and after all requested
   * bytes.
   */
  async next(): Promise<Uint8Array | undefined> {
    const chunk = this.#first ?? (this.isDone ? undefined : await this.#nextChunk())
    this.#first = undefined
    if (chunk === undefined) return undefined
    this.#lastProgress = elapsedMs()
    this.#at! += chunk.byteLength
    if (this.isDone) await this.#finish()
    return chunk
  }

  /** Returns the requested bytes of the response's next chunk. */
  async #nextChunk(): Promise<Uint8Array | undefined> {
    const { counters, operation } = this.#options
    for (;;) {
      const chunk = await this.#body!.next()
      if (chunk === undefined) return undefined
      const start = this.#place
      this.#place += chunk.byteLength
      counters.bytes(operation, chunk.byteLength)
      if (this.#place > this.#placeEnd) throw tooLong(this.#options.what, this.#placeEnd - start, chunk.byteLength)
      const from = Math.max(0, this.#at! - start)
      const to = Math.min(chunk.byteLength, this.#end - start)
      if (to > from) return chunk.subarray(from, to)
    }
  }

  /**
   * Reads the response to its end if all bytes have arrived, so that the connection can be reused.
   */
  async #finish(): Promise<void> {
    if (this.#place < this.#placeEnd) return
    const more = await this.#body!.within(END_TIMEOUT).catch(() => undefined)
    if (more !== undefined) throw tooLong(this.#options.what, 0, more.byteLength)
  }

  async end(): Promise<void> {
    const body = this.#body
    this.#body = undefined
    await body?.close()
  }
}

/**
 * Concatenates all chunks. Writes the chunks to the memory `into` if they fit. `expected` returns
 * the total size of all chunks in bytes. gather() calls `expected` only after the first chunk.
 */
export async function gather(
  chunks: AsyncIterable<Uint8Array>,
  expected: () => number,
  into?: Uint8Array,
): Promise<Uint8Array> {
  let data = into
  let length = 0
  for await (const chunk of chunks) {
    const needed = length + chunk.byteLength
    if (data === undefined || needed > data.byteLength) {
      // The announced size may be wrong, so the memory grows only with the bytes that arrive.
      const roomier = Buffer.allocUnsafe(Math.max(needed, Math.min(expected(), Math.max(FIRST_ROOM, 2 * needed))))
      if (data !== undefined) roomier.set(data.subarray(0, length))
      data = roomier
    }
    data.set(chunk, length)
    length = needed
  }
  return data?.subarray(0, length) ?? new Uint8Array()
}

/** Maximum bytes that gather() allocates before the bytes have arrived. */
const FIRST_ROOM = 4 * 1024 * 1024

function brokenOff(what: string, { at, wantedEnd }: BodyReading): LitestreamError {
  return new LitestreamError('UNAVAILABLE', `${what} failed: the reply ended at byte ${at} of ${wantedEnd}`, {
    offset: at,
    hint: 'Check the network between this machine and the store, and any proxy on the way to the store.',
  })
}

const WRONG_ANSWER =
  'Check the endpoint: the store, or a proxy in front of it, does not answer ranged requests correctly.'

function elsewhere(what: string, at: number, start: number, end: number): LitestreamError {
  const message = `${what} failed: bytes from ${at} on were requested, and the reply has bytes ${start} to ${end}`
  return new LitestreamError('STORAGE_FAILED', message, { offset: at, hint: WRONG_ANSWER })
}

function tooLong(what: string, expected: number, got: number): LitestreamError {
  const message = `${what} failed: the reply is longer than its length field says: ${expected} bytes were left, but ${got} bytes came`
  return new LitestreamError('STORAGE_FAILED', message, { hint: WRONG_ANSWER })
}
