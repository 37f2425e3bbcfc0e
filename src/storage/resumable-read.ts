import { LitestreamError } from '../errors.js'
import type { RequestPolicy } from './request-policy.js'
import { retrying } from './retry.js'

/** One answer of the store to a request for the bytes from `offset` on. */
export interface OpenedBody {
  readonly body: AsyncIterable<Uint8Array>
  /** Where the body ends in the file, exclusive, if the transfer is whole. */
  readonly end: number
}

export interface ResumableReadOptions {
  readonly policy: RequestPolicy
  readonly what: string
  readonly signal?: AbortSignal | undefined
  readonly onRetry: () => void
  readonly onBytes: (count: number) => void
  /** Turns what a body threw into a LitestreamError. */
  readonly bodyError: (error: unknown) => LitestreamError
}

/**
 * The bytes of a file from `offset` on, through as many requests as it takes: a body that breaks off, or ends before it should, is
 * continued where it stopped. Each new byte renews the attempts and the budget.
 */
export async function* resumableRead(
  offset: number,
  open: (offset: number) => Promise<OpenedBody>,
  options: ResumableReadOptions,
): AsyncGenerator<Uint8Array, void> {
  let at = offset
  for (;;) {
    let lastProgress = performance.now()
    const { first, rest, end } = await retrying(
      async () => {
        const opened = await open(at)
        const iterator = opened.body[Symbol.asyncIterator]()
        // The first chunk belongs to the attempt: an answer of nothing but headers is no progress.
        const first = await next(iterator, options)
        if (first.done && at < opened.end) throw brokenOff(options.what, at, opened.end)
        return { first, rest: iterator, end: opened.end }
      },
      { ...options, lastProgress: () => lastProgress },
    )
    let finished = false
    try {
      for (let chunk = first; !chunk.done; chunk = await next(rest, options)) {
        at += chunk.value.byteLength
        lastProgress = performance.now()
        options.onBytes(chunk.value.byteLength)
        yield chunk.value
      }
      if (at >= end) {
        finished = true
        return
      }
    } catch (error) {
      if (options.signal?.aborted || !isPassing(error)) throw error
    } finally {
      // Also when the consumer stops early: closes the connection's body.
      if (!finished) await rest.return?.()
    }
    options.onRetry()
  }
}

async function next(
  iterator: AsyncIterator<Uint8Array>,
  { bodyError }: ResumableReadOptions,
): Promise<IteratorResult<Uint8Array>> {
  try {
    return await iterator.next()
  } catch (error) {
    throw bodyError(error)
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof LitestreamError && ['UNAVAILABLE', 'TIMEOUT', 'THROTTLED'].includes(error.code)
}

function brokenOff(what: string, at: number, end: number): LitestreamError {
  return new LitestreamError('UNAVAILABLE', `${what} failed: the reply ended at byte ${at} of ${end}`, { offset: at })
}
