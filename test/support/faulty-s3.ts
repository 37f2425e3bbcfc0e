import type { TestContext } from 'node:test'
import type { RequestPolicy } from '../../src/storage/request-policy.js'
import { S3ReplicaClient } from '../../src/storage/s3/s3-client.js'
import { parseReplicaUrl } from '../../src/storage/url.js'
import { cleanUp } from './clean-up.js'
import { type FaultProxy, startFaultProxy } from './fault-proxy.js'
import { s3Bucket, s3Server, s3Url } from './s3.js'

export interface FaultyS3 {
  readonly bucket: string
  readonly proxy: FaultProxy
  readonly client: S3ReplicaClient
}

/** A client that reaches a new bucket of the real server through a fault proxy. */
export async function faultyS3(
  t: TestContext,
  policy: Partial<RequestPolicy> = {},
  target = s3Server(),
): Promise<FaultyS3> {
  const bucket = await s3Bucket(t, target)
  const proxy = await startFaultProxy({ target: target.endpoint })
  cleanUp(t, () => proxy.close())
  const client = await s3ClientAt(s3Url(bucket, 'app.db', proxy.url), policy)
  cleanUp(t, () => client.close())
  return { bucket, proxy, client }
}

export async function s3ClientAt(url: string, policy: Partial<RequestPolicy>): Promise<S3ReplicaClient> {
  const location = parseReplicaUrl(url)
  if (location.type !== 's3') throw new Error(`${url} is not an S3 URL`)
  return S3ReplicaClient.open(location, {}, { policy })
}
