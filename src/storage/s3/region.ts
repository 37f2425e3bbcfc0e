import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { timeoutSignal } from '../../util/timers.js'
import { HeadBucketCommand, S3Client } from './aws.js'
import { DEFAULT_REGION } from './provider.js'

interface Refusal {
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

/**
 * Returns a function that asks AWS for the region of `bucket` and caches the region. AWS reports
 * the region in a header of every response about the bucket, even of a response that refuses the
 * request. If a response does not contain the region, the function returns the value of AWS_REGION.
 * If AWS does not respond, the request for the region fails, and the next request asks again.
 * `timeout` is the maximum time in milliseconds for AWS to respond.
 */
export function bucketRegion(config: S3ClientConfig, bucket: string, timeout: number): () => Promise<string> {
  let asked: Promise<string> | undefined
  return () => {
    asked ??= ask(config, bucket, timeout).catch((error: unknown) => {
      asked = undefined
      throw error
    })
    return asked
  }
}

async function ask(config: S3ClientConfig, bucket: string, timeout: number): Promise<string> {
  const client = new S3Client({ ...config, region: DEFAULT_REGION })
  try {
    const abortSignal = timeoutSignal(timeout)
    const { BucketRegion } = await client.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal })
    return BucketRegion ?? regionOfEnvironment()
  } catch (error) {
    const { $metadata, $response } = error as Refusal
    const region = $response?.headers?.['x-amz-bucket-region']
    if (region !== undefined) return region
    const status = $metadata?.httpStatusCode ?? 0
    // If the bucket has another problem, the actual request reports the problem in more detail than
    // a response to HEAD could.
    if (status >= 300 && status < 500) return regionOfEnvironment()
    throw error
  } finally {
    client.destroy()
  }
}

function regionOfEnvironment(): string {
  return process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION || DEFAULT_REGION
}
