import type { TestContext } from 'node:test'
import { cleanUp } from './clean-up.js'
import { type FaultProxy, startFaultProxy } from './fault-proxy.js'
import { makeSource, type Source, type SourceOptions } from './replica.js'
import { s3Bucket, s3Server, s3Url } from './s3.js'

export interface ProxiedSource extends Source {
  /** In front of the server, for those who read at `url`; the history is written past it. */
  readonly proxy: FaultProxy
}

/** A history in a bucket, and a proxy in front of the server for those who read it. */
export async function makeProxiedSource(t: TestContext, options: SourceOptions = {}): Promise<ProxiedSource> {
  const bucket = await s3Bucket({ after: (step: unknown) => cleanUp(t, step as () => unknown) } as TestContext)
  const proxy = await startFaultProxy({ target: s3Server().endpoint })
  cleanUp(t, () => proxy.close())
  const source = await makeSource(t, { ...options, url: s3Url(bucket) })
  return { ...source, proxy, url: s3Url(bucket, 'app.db', proxy.url) }
}
