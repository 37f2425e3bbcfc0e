import { GetObjectCommand, paginateListObjectsV2, type S3Client } from '@aws-sdk/client-s3'
import pRetry from 'p-retry'
import { isLitestreamError, type LitestreamError } from '../../errors.js'
import { abortError, throwIfAborted } from '../../util/abort.js'
import type { LegacyObject, LegacyObjects, RequestOptions } from '../replica-client.js'

export interface S3LegacyLocation {
  readonly sdk: S3Client
  readonly bucket: string
  /** The replica's path as it is in its URL's location; "" and "." both mean the bucket itself here. */
  readonly path: string
  /** The LitestreamError for what the SDK threw while doing something to a target. */
  readonly toError: (thrown: unknown, doing: string, target: string) => LitestreamError
}

/** How often a body that broke off is gone on with before the stream fails. */
const RETRIES = 5

/** What Litestream 0.3 left in a bucket: `<path>/generations/…`, the path cleaned, unlike that of today's keys. */
export class S3LegacyObjects implements LegacyObjects {
  readonly #location: S3LegacyLocation
  readonly #prefix: string

  constructor(location: S3LegacyLocation) {
    this.#location = location
    const path = location.path.replace(/^\.?\/*/, '').replace(/\/+$/, '')
    this.#prefix = path === '' ? '' : `${path}/`
  }

  async *list(prefix: string, { signal }: RequestOptions = {}): AsyncIterable<LegacyObject> {
    const { sdk, bucket } = this.#location
    const key = this.#prefix + prefix
    const pages = paginateListObjectsV2({ client: sdk }, { Bucket: bucket, Prefix: key }, { abortSignal: signal })
    try {
      for await (const { Contents = [] } of pages) {
        for (const { Key, Size = 0, LastModified } of Contents) {
          if (Key === undefined) continue
          const createdAt = LastModified?.getTime() ?? 0
          yield { name: Key.slice(this.#prefix.length), size: Size, createdAt }
        }
      }
    } catch (error) {
      throw this.#error(error, 'listing', key, signal)
    }
  }

  async *stream(name: string, { signal }: RequestOptions = {}): AsyncIterable<Uint8Array> {
    const key = this.#prefix + name
    const target = this.#target(key)
    throwIfAborted(signal, `reading ${target}`)
    let offset = 0
    let body = await this.#open(key, offset, signal)
    for (let left = RETRIES; ; left--) {
      try {
        for await (const chunk of body) {
          offset += chunk.length
          yield chunk
        }
        return
      } catch (thrown) {
        const error = this.#error(thrown, 'reading', key, signal)
        if (left === 0 || !isPassing(error)) throw error
        body = await this.#open(key, offset, signal)
      }
    }
  }

  #open(key: string, offset: number, signal: AbortSignal | undefined): Promise<AsyncIterable<Uint8Array>> {
    const { sdk, bucket } = this.#location
    const get = async () => {
      try {
        const command = new GetObjectCommand({ Bucket: bucket, Key: key, Range: `bytes=${offset}-` })
        const { Body } = await sdk.send(command, signal ? { abortSignal: signal } : {})
        return Body as AsyncIterable<Uint8Array>
      } catch (error) {
        throw this.#error(error, 'reading', key, signal)
      }
    }
    const shouldRetry = ({ error }: { error: Error }) => isPassing(error)
    return pRetry(get, { retries: RETRIES, minTimeout: 100, shouldRetry, ...(signal ? { signal } : {}) })
  }

  #target(key: string): string {
    return `s3://${this.#location.bucket}/${key}`
  }

  #error(thrown: unknown, doing: string, key: string, signal: AbortSignal | undefined): LitestreamError {
    if (signal?.aborted) return abortError(signal, `${doing} ${this.#target(key)}`)
    return isLitestreamError(thrown) ? thrown : this.#location.toError(thrown, doing, this.#target(key))
  }
}

function isPassing(error: unknown): boolean {
  return isLitestreamError(error, 'THROTTLED', 'UNAVAILABLE', 'TIMEOUT')
}
