import type { Readable } from 'node:stream'
import { unconfirmed } from './unconfirmed.js'

/**
 * Reads the whole body of a response as text. Throws UNAVAILABLE if the body has more than `limit`
 * bytes.
 */
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
