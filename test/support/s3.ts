import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3'
import { cleanUp } from './clean-up.js'

// A test file that imports this one, directly or not, makes `npm test` start an S3 server (or take
// TEST_S3_ENDPOINT).

export interface S3Server {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** The S3 server of this run. */
export function s3Server(): S3Server {
  return {
    endpoint: fromEnvironment('TEST_S3_ENDPOINT'),
    accessKeyId: fromEnvironment('TEST_S3_ACCESS_KEY'),
    secretAccessKey: fromEnvironment('TEST_S3_SECRET_KEY'),
  }
}

function fromEnvironment(name: string): string {
  const value = process.env[name]
  if (value === undefined)
    throw new Error(`${name} is not set: run the tests with \`npm test\`, which starts an S3 server`)
  return value
}

/** A plain SDK client, to look behind the product's back. */
export function s3Sdk(server: S3Server = s3Server()): S3Client {
  return new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // A server that is full accepts requests and lets them wait.
    requestHandler: { socketTimeout: 60_000 },
  })
}

/** A new bucket, emptied and removed when the test ends. */
export async function s3Bucket(t: Pick<TestContext, 'after'>, server: S3Server = s3Server()): Promise<string> {
  const bucket = `test-${randomUUID()}`
  const sdk = s3Sdk(server)
  await sdk.send(new CreateBucketCommand({ Bucket: bucket }))
  sdk.destroy()
  // A process that still writes would keep the bucket from becoming empty: processes end first.
  cleanUp(t, () => removeBucket(bucket, server))
  return bucket
}

export async function removeBucket(bucket: string, server: S3Server = s3Server()): Promise<void> {
  const sdk = s3Sdk(server)
  for (;;) {
    const { Contents = [] } = await sdk.send(new ListObjectsV2Command({ Bucket: bucket }))
    if (Contents.length === 0) break
    const Objects = Contents.map(({ Key }) => ({ Key }))
    await sdk.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }))
  }
  await sdk.send(new DeleteBucketCommand({ Bucket: bucket }))
  sdk.destroy()
}

/**
 * The replica URL for a path in a bucket, credentials and endpoint in it. `endpoint`: a proxy in
 * front of the server.
 */
export function s3Url(bucket: string, path = 'app.db', endpoint = s3Server().endpoint): string {
  const { accessKeyId, secretAccessKey } = s3Server()
  const user = `${encodeURIComponent(accessKeyId)}:${encodeURIComponent(secretAccessKey)}`
  return `s3://${user}@${bucket}/${path}?endpoint=${encodeURIComponent(endpoint)}`
}
