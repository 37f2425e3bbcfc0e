import { setTimeout as delay } from 'node:timers/promises'

/**
 * The faults that the fault proxy can inject into a request. All numbers of bytes refer to the
 * body.
 */
export type Fault =
  /**
   * The proxy answers without contacting the server: 503 SlowDown, 500 InternalError, 403 and
   * others.
   */
  | {
      readonly type: 'status'
      readonly status: number
      readonly code: string
      readonly headers?: Record<string, string>
    }
  /** The proxy resets the connection immediately. */
  | { readonly type: 'refuse' }
  /** The proxy never answers the request. */
  | { readonly type: 'blackhole' }
  /** Milliseconds until the proxy sends the request to the server. */
  | { readonly type: 'slowStart'; readonly ms: number }
  /** The response ends after this many bytes. */
  | { readonly type: 'cut'; readonly bytes: number }
  /** The response comes in pieces of `bytes` bytes, with `ms` milliseconds between two pieces. */
  | { readonly type: 'trickle'; readonly bytes: number; readonly ms: number }
  /**
   * The response lacks its last `bytes` bytes and has a matching Content-Length, so it is
   * well-formed but wrong.
   */
  | { readonly type: 'shorten'; readonly bytes: number }
  /** All bits of the response's byte at the offset `at` are inverted. */
  | { readonly type: 'corrupt'; readonly at: number }
  /** The body of the request ends after `bytes` bytes. */
  | { readonly type: 'cutUpload'; readonly bytes: number }
  /** A listing lacks its last `keys` keys, like a listing that lags behind the store. */
  | { readonly type: 'lag'; readonly keys: number }
  /** The server carries out the request, but the proxy drops the response. */
  | { readonly type: 'loseReply' }
  /**
   * The proxy resets the connection immediately, and sends the request to the server `ms`
   * milliseconds later.
   */
  | { readonly type: 'late'; readonly ms: number }

export interface FaultRule {
  readonly fault: Fault
  /** Number of requests that got the fault. */
  hits: number
  remove(): void
}

export const SLOW_DOWN: Fault = { type: 'status', status: 503, code: 'SlowDown' }
export const INTERNAL_ERROR: Fault = { type: 'status', status: 500, code: 'InternalError' }

export async function* cutAfter(source: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer> {
  let left = bytes
  for await (const chunk of source) {
    yield chunk.subarray(0, left)
    left -= chunk.length
    if (left <= 0) {
      // Lets what was written leave the process before the connection is reset.
      await delay(5)
      throw new Error('cut by the proxy')
    }
  }
}

export async function* trickled(source: AsyncIterable<Buffer>, bytes: number, ms: number): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += bytes) {
      yield chunk.subarray(at, at + bytes)
      await delay(ms)
    }
  }
}

export async function* corrupted(source: AsyncIterable<Buffer>, at: number): AsyncGenerator<Buffer> {
  let offset = 0
  for await (const chunk of source) {
    const copy = Buffer.from(chunk)
    if (at >= offset && at < offset + copy.length) copy[at - offset]! ^= 0xff
    offset += copy.length
    yield copy
  }
}

/** Returns a listing without its last keys. */
export function laggingListing(xml: string, keys: number): string {
  const entries = xml.match(/<Contents>.*?<\/Contents>/gs) ?? []
  return entries.slice(Math.max(0, entries.length - keys)).reduce((text, entry) => text.replace(entry, ''), xml)
}
