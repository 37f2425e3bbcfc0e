import { randomUUID } from 'node:crypto'
import { CreateBucketCommand } from '@aws-sdk/client-s3'
import { openReplicaClient } from '../../src/storage/open.js'
import type { ReplicaClient } from '../../src/storage/replica-client.js'
import { type ProxyProcess, startProxyProcess } from '../../test/support/proxy-process.js'
import { removeBucket, s3Sdk, s3Server, s3Url } from '../../test/support/s3.js'
import { publishSnapshot } from './publish.js'
import { PythonReader } from './python-reader.js'

/** Requests and bytes that passed the proxy. */
export interface Traffic {
  /** All requests, LISTs among them. */
  readonly requests: number
  readonly gets: number
  readonly lists: number
  /** Round trips: the longest chain of requests one after another. */
  readonly rounds: number
  /** What these took, milliseconds: of each, its longest request. */
  readonly roundTime: number
  /** Bytes of bodies, to the reader. */
  readonly bytes: number
}

/** A bucket of a real S3 server with the counting, delaying proxy in front of it. */
export class Stage {
  readonly bucket: string
  readonly proxy: ProxyProcess

  private constructor(bucket: string, proxy: ProxyProcess) {
    this.bucket = bucket
    this.proxy = proxy
  }

  static async start(): Promise<Stage> {
    const bucket = `bench-${randomUUID()}`
    const sdk = s3Sdk()
    await sdk.send(new CreateBucketCommand({ Bucket: bucket }))
    sdk.destroy()
    return new Stage(bucket, await startProxyProcess(s3Server().endpoint))
  }

  /** The URL of a replica in the bucket, through the proxy. */
  url(path: string): string {
    return s3Url(this.bucket, path, this.proxy.url)
  }

  /** The same past the proxy. */
  directUrl(path: string): string {
    return s3Url(this.bucket, path)
  }

  /** A client past the proxy. */
  client(path: string): Promise<ReplicaClient> {
    return openReplicaClient(this.directUrl(path))
  }

  /** Puts a database file there as a replica of one snapshot. */
  async publish(path: string, file: string): Promise<void> {
    const client = await this.client(path)
    await publishSnapshot(client, file)
    await client.close()
  }

  /** The official VFS on the same replica, through the proxy. `parameters` go into its URI. */
  official(path: string, parameters: Record<string, string> = {}): PythonReader {
    const { accessKeyId, secretAccessKey } = s3Server()
    const query = new URLSearchParams({ endpoint: this.proxy.url, 'force-path-style': 'true', region: 'us-east-1' })
    const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
    return PythonReader.official(`s3://${this.bucket}/${path}?${query}`, env, parameters)
  }

  /** What passes the proxy while `action` runs. */
  async traffic<T>(action: () => Promise<T>): Promise<{ result: T; traffic: Traffic }> {
    await this.proxy.reset()
    const result = await action()
    return { result, traffic: await this.counted() }
  }

  async counted(): Promise<Traffic> {
    const { requests, kinds, rounds, roundTime, bytesToClient } = await this.proxy.counts()
    return { requests, gets: kinds.GET ?? 0, lists: kinds.LIST ?? 0, rounds, roundTime, bytes: bytesToClient }
  }

  /** Removes the bucket too: a test server keeps everything in memory. */
  async close(): Promise<void> {
    await this.proxy.close()
    await removeBucket(this.bucket)
  }
}
