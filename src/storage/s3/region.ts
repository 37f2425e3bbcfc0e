import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { timeoutSignal } from '../../util/timers.js'
import { HeadBucketCommand, S3Client } from './aws.js'
import { DEFAULT_REGION } from './provider.js'

interface Refusal {
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

/**
 * The region of an AWS bucket, requested once and then cached. AWS reports it in a header of any
 * response about the bucket, even of a refusal; otherwise AWS_REGION is used. If the store does not
 * respond, the request fails, and the next one asks again. `timeout`: milliseconds for the
 * response.
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
    // Any other problem with the bucket is reported by the request itself, with more detail than
    // the response to a HEAD has.
    if (status >= 300 && status < 500) return regionOfEnvironment()
    throw error
  } finally {
    client.destroy()
  }
}

function regionOfEnvironment(): string {
  return process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION || DEFAULT_REGION
}
