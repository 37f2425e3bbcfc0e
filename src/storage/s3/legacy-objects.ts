import type { LegacyObject, LegacyObjects, Operation, RequestOptions } from '../replica-client.js'
import { download } from './download.js'
import { listObjects } from './list.js'
import type { S3Requests, Subject } from './requests.js'

/** What Litestream 0.3 left in a bucket: `<path>/generations/…`, the path cleaned, unlike that of today's keys. */
export class S3LegacyObjects implements LegacyObjects {
  readonly #requests: S3Requests
  readonly #prefix: string

  /** `path`: as it is in the replica's location; "" and "." both mean the bucket itself here. */
  constructor(requests: S3Requests, path: string) {
    this.#requests = requests
    const clean = path.replace(/^\.?\/*/, '').replace(/\/+$/, '')
    this.#prefix = clean === '' ? '' : `${clean}/`
  }

  async *list(prefix: string, { signal }: RequestOptions = {}): AsyncIterable<LegacyObject> {
    const key = this.#prefix + prefix
    for await (const { Key, Size = 0, LastModified } of listObjects(
      this.#requests,
      this.#subject('LIST', 'listing', key, signal),
      key,
    )) {
      if (Key === undefined) continue
      yield { name: Key.slice(this.#prefix.length), size: Size, createdAt: LastModified?.getTime() ?? 0 }
    }
  }

  stream(name: string, { signal }: RequestOptions = {}): AsyncIterable<Uint8Array> {
    const key = this.#prefix + name
    return download(this.#requests, this.#subject('GET', 'reading', key, signal), key, 'bytes=0-').chunks
  }

  #subject(operation: Operation, doing: string, key: string, signal: AbortSignal | undefined): Subject {
    return { operation, doing, target: this.#requests.target(key), signal }
  }
}
