import { setTimeout as delay } from 'node:timers/promises'

/** The faults that the fault proxy can inject into a request. Bytes are bytes of the body. */
export type Fault =
  /** Answered by the proxy without contacting the server: 503 SlowDown, 500 InternalError, 403 … */
  | {
      readonly type: 'status'
      readonly status: number
      readonly code: string
      readonly headers?: Record<string, string>
    }
  /** The connection is reset at once. */
  | { readonly type: 'refuse' }
  /** Never answered. */
  | { readonly type: 'blackhole' }
  /** So long until the server is asked. */
  | { readonly type: 'slowStart'; readonly ms: number }
  /** The reply breaks off after so many bytes. */
  | { readonly type: 'cut'; readonly bytes: number }
  /** The reply comes in pieces of so many bytes, so many ms apart. */
  | { readonly type: 'trickle'; readonly bytes: number; readonly ms: number }
  /** The reply lacks its last bytes, and says so in its Content-Length: well-formed, but wrong. */
  | { readonly type: 'shorten'; readonly bytes: number }
  /** The byte at this place of the reply is inverted. */
  | { readonly type: 'corrupt'; readonly at: number }
  /** The request's body breaks off after so many bytes. */
  | { readonly type: 'cutUpload'; readonly bytes: number }
  /** A listing leaves out its last so many keys, as one that lags behind the store does. */
  | { readonly type: 'lag'; readonly keys: number }
  /** The server does what was asked, and the answer is lost. */
  | { readonly type: 'loseReply' }
  /** The connection is reset at once, and the server gets the request so long after that. */
  | { readonly type: 'late'; readonly ms: number }

export interface FaultRule {
  readonly fault: Fault
  /** Requests that got the fault. */
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

/** A listing without its last keys. */
export function laggingListing(xml: string, keys: number): string {
  const entries = xml.match(/<Contents>.*?<\/Contents>/gs) ?? []
  return entries.slice(Math.max(0, entries.length - keys)).reduce((text, entry) => text.replace(entry, ''), xml)
}
