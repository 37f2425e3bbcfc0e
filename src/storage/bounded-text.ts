import type { Readable } from 'node:stream'
import { unconfirmed } from './unconfirmed.js'

/** The whole body of a response, which must be shorter than `limit` bytes. Throws UNAVAILABLE. */
export async function boundedText(body: Readable, limit: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength
    if (bytes > limit) throw unconfirmed('the request', `the reply is longer than ${limit} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
