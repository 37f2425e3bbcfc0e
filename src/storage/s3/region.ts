import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { timeoutSignal } from '../../util/timers.js'
import { HeadBucketCommand, S3Client } from './aws.js'
import { DEFAULT_REGION } from './provider.js'

interface Refusal {
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

/**
 * The region of an AWS bucket, asked for by the first request and then kept. AWS says it in a header of any reply about the bucket,
 * even one that refuses the request; where it does not, AWS_REGION is used. A store that does not answer at all is no answer: the request fails, and the next one asks
 * again. `timeout`: milliseconds for the answer.
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
    // What else is wrong with the bucket, the request itself will be told, and with more words than the reply to a HEAD has.
    if (status >= 300 && status < 500) return regionOfEnvironment()
    throw error
  } finally {
    client.destroy()
  }
}

function regionOfEnvironment(): string {
  return process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION || DEFAULT_REGION
}
