import { type ErrorCode, isLitestreamError, LitestreamError } from '../../errors.js'
import { TaskQueue } from '../../util/task-queue.js'
import { DeleteObjectCommand, DeleteObjectsCommand } from './aws.js'
import { isConditionRefused } from './errors.js'
import type { S3Requests, Subject } from './requests.js'

/** Maximum number of keys in one DeleteObjects request, according to the API. */
const BATCH = 1000
/** Number of DeleteObject requests that run in parallel. */
const PARALLEL = 16
/** Maximum number of failed keys that an error message names. */
const NAMED_FAILURES = 5

interface Failure {
  readonly key: string
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
}

const RIGHTS = 'Give the credentials the permission s3:DeleteObject on this bucket.'

/**
 * Deletes objects with DeleteObjects requests, each of which deletes up to a thousand objects. Some
 * stores do not support DeleteObjects, such as Google's S3 interface. If the first DeleteObjects
 * request shows that the store does not support it, the class deletes objects one by one from then
 * on. A missing object counts as deleted.
 */
export class ObjectDeletion {
  readonly #requests: S3Requests
  #isBatchKnown: boolean | undefined

  constructor(requests: S3Requests) {
    this.#requests = requests
  }

  /**
   * Tries to delete all objects, and if some deletions failed, throws ACCESS_DENIED or
   * STORAGE_FAILED with the keys of these objects.
   */
  async delete(keys: readonly string[], path: string, signal: AbortSignal | undefined): Promise<void> {
    for (let i = 0; i < keys.length; i += BATCH) {
      const batch = keys.slice(i, i + BATCH)
      const target = this.#requests.target(batch.length === 1 ? batch[0]! : path)
      const failures = await this.#batch(batch, { operation: 'DELETE', doing: 'deleting', target, signal })
      if (failures.length > 0) throw this.#error(batch.length, failures)
    }
  }

  async #batch(keys: readonly string[], subject: Subject): Promise<readonly Failure[]> {
    if (this.#isBatchKnown === false) return this.#oneByOne(keys, subject)
    try {
      const failures = await this.#together(keys, subject)
      this.#isBatchKnown = true
      return failures
    } catch (error) {
      // A store without DeleteObjects refuses the request with status 400, 405 or 501. Google's S3
      // interface refuses DeleteObjects with status 400 and a text about buckets.
      if (this.#isBatchKnown || !isConditionRefused(error)) throw error
      const failures = await this.#oneByOne(keys, subject)
      if (failures.length < keys.length) this.#isBatchKnown = false
      return failures
    }
  }

  async #together(keys: readonly string[], subject: Subject): Promise<readonly Failure[]> {
    const { bucket: Bucket } = this.#requests
    const Objects = keys.map((Key) => ({ Key }))
    const { Errors = [] } = await this.#requests.retried(
      subject,
      () => (client, options) => client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }), options),
    )
    return Errors.filter(({ Code }) => Code !== 'NoSuchKey').map(({ Key = '', Code, Message }) => ({
      key: Key,
      code: Code === 'AccessDenied' ? 'ACCESS_DENIED' : 'STORAGE_FAILED',
      message: Message ?? String(Code),
      hint: RIGHTS,
    }))
  }

  async #oneByOne(keys: readonly string[], { signal }: Subject): Promise<readonly Failure[]> {
    const { bucket: Bucket } = this.#requests
    const failures: Failure[] = []
    const queue = new TaskQueue(PARALLEL)
    const deleteOne = async (Key: string) => {
      const subject: Subject = { operation: 'DELETE', doing: 'deleting', target: this.#requests.target(Key), signal }
      try {
        await this.#requests.retried(
          subject,
          () => (client, options) => client.send(new DeleteObjectCommand({ Bucket, Key }), options),
        )
      } catch (error) {
        if (isLitestreamError(error, 'NOT_FOUND')) return
        if (!isLitestreamError(error, 'ACCESS_DENIED', 'STORAGE_FAILED')) throw error
        failures.push({ key: Key, code: error.code, message: error.message, hint: error.hint })
      }
    }
    try {
      await Promise.all(keys.map((key) => queue.add(() => deleteOne(key))))
    } finally {
      // If the store is unavailable or the signal has aborted, no further deletion begins.
      queue.clear()
    }
    return failures
  }

  #error(count: number, failures: readonly Failure[]): LitestreamError {
    const named = failures.slice(0, NAMED_FAILURES).map(({ key, message }) => `${key} (${message})`)
    return new LitestreamError(
      failures.find(({ code }) => code === 'ACCESS_DENIED')?.code ?? 'STORAGE_FAILED',
      `deleting ${failures.length} of ${count} objects from ${this.#requests.settings.dialect}://${this.#requests.bucket} failed: ${named.join(', ')}`,
      { file: failures[0]!.key, hint: failures[0]!.hint },
    )
  }
}
