import { checkFacts } from '../listing.js'
import type { LegacyObject, LegacyObjects, Operation, RequestOptions } from '../replica-client.js'
import { download } from './download.js'
import { factsOf, listObjects } from './list.js'
import type { S3Requests, Subject } from './requests.js'

/**
 * The files of Litestream 0.3 in an S3 bucket. The keys of files of Litestream 0.3 begin with
 * `<path>/generations/`. Litestream 0.3 normalised the path of a replica URL, unlike Litestream
 * 0.5.
 */
export class S3LegacyObjects implements LegacyObjects {
  readonly #requests: S3Requests
  readonly #prefix: string

  /**
   * `path` is the field `path` of the replica's location. The paths "" and "." both mean the bucket
   * itself.
   */
  constructor(requests: S3Requests, path: string) {
    this.#requests = requests
    const clean = path.replace(/^\.?\/*/, '').replace(/\/+$/, '')
    this.#prefix = clean === '' ? '' : `${clean}/`
  }

  async *list(prefix: string, { signal }: RequestOptions = {}): AsyncIterable<LegacyObject> {
    const key = this.#prefix + prefix
    const subject = this.#subject('LIST', 'listing', this.#prefix, signal)
    for await (const object of listObjects(this.#requests, subject, key)) {
      const { size, createdAt } = factsOf(object)
      checkFacts({ size, createdAt }, object.Key, `listing ${subject.target}`)
      yield { name: object.Key.slice(this.#prefix.length), size, createdAt }
    }
  }

  stream(name: string, { signal }: RequestOptions = {}): AsyncIterable<Uint8Array> {
    const key = this.#prefix + name
    return download(this.#requests, this.#subject('GET', 'reading', key, signal), key, { offset: 0 }).chunks
  }

  #subject(operation: Operation, doing: string, key: string, signal: AbortSignal | undefined): Subject {
    return { operation, doing, target: this.#requests.target(key), signal }
  }
}
