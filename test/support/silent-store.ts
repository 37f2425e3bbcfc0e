import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { cleanUp } from './clean-up.js'

/** A store that accepts every request and never answers. No real server can be made to do that. */
export interface SilentStore {
  /** A replica URL in it, with credentials that are never checked. */
  readonly url: string
  readonly storage: { readonly s3: { readonly accessKeyId: string; readonly secretAccessKey: string } }
  /** Number of requests that the store has received. */
  requests(): number
}

export async function startSilentStore(t: TestContext): Promise<SilentStore> {
  let requests = 0
  const server = createServer((request) => {
    requests++
    request.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUp(t, async () => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `s3://bucket/replica?endpoint=http://127.0.0.1:${port}&region=us-east-1&forcePathStyle=true`,
    storage: { s3: { accessKeyId: 'id', secretAccessKey: 'key' } },
    requests: () => requests,
  }
}
