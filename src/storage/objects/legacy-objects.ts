import { checkFacts } from '../listing.js'
import type { LegacyObject, LegacyObjects, Operation, RequestOptions } from '../replica-client.js'
import { download } from './download.js'
import { listObjects } from './listing.js'
import type { ObjectStore } from './object-store.js'
import type { Requests, Subject } from './requests.js'

/**
 * The files of Litestream 0.3 at the URL of a replica in an object store. The keys of files of
 * Litestream 0.3 begin with `<path>/generations/`.
 */
export class ObjectLegacyObjects implements LegacyObjects {
  readonly #store: ObjectStore
  readonly #requests: Requests
  readonly #prefix: string

  /**
   * `prefix` is the common prefix of all keys of the replica. The prefix is empty or ends with a
   * slash.
   */
  constructor(store: ObjectStore, requests: Requests, prefix: string) {
    this.#store = store
    this.#requests = requests
    this.#prefix = prefix
  }

  async *list(prefix: string, { signal }: RequestOptions = {}): AsyncIterable<LegacyObject> {
    const key = this.#prefix + prefix
    const subject = this.#subject('LIST', 'listing', key, signal)
    for await (const object of listObjects(this.#store, this.#requests, subject, key)) {
      const { size, createdAt } = object
      checkFacts({ size, createdAt }, object.key, `listing ${subject.target}`)
      yield { name: object.key.slice(this.#prefix.length), size, createdAt }
    }
  }

  stream(name: string, { signal }: RequestOptions = {}): AsyncIterable<Uint8Array> {
    const key = this.#prefix + name
    const subject = this.#subject('GET', 'reading', key, signal)
    return download(this.#store, this.#requests, subject, key, { offset: 0 }).chunks
  }

  #subject(operation: Operation, doing: string, key: string, signal: AbortSignal | undefined): Subject {
    return { operation, doing, target: `${this.#store.url}/${key}`, signal }
  }
}
