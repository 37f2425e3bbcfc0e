import { randomUUID } from 'node:crypto'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { abortError, orAborted, throwIfAborted } from '../../util/abort.js'
import { settleAll } from '../../util/settle-all.js'
import type { RequestOptions } from '../replica-client.js'
import type { AskedGuarantees, WriteGuarantees } from '../write-guarantees.js'
import { DeleteObjectCommand, PutObjectCommand } from './aws.js'
import { isConditionRefused } from './errors.js'
import type { S3Requests, Subject } from './requests.js'

const BODY = Buffer.from('{}')
/** The object with which a write-once replica is probed; it stays. */
const WRITE_ONCE_PROBE = 'write-once-probe'
/** A tag that no object has. */
const NO_TAG = '"00000000000000000000000000000000"'

/**
 * The results of this thread's probes, by endpoint and bucket: a process with a thousand databases
 * in one bucket probes once.
 */
const found = new Map<string, WriteGuarantees>()
const probing = new Map<string, Promise<WriteGuarantees>>()

/** How a store answers the conditional creation of an object. */
type Creation = 'created' | 'refused' | 'unsupported'

/**
 * Whether a store enforces conditional writes: by `conditional-writes`, else by a probe before the
 * first write. The probe creates an object `probe-<uuid>` beside the levels, tries to create it
 * again and to replace it by a wrong tag, both in parallel, and deletes it: 4 requests, of which a
 * caller waits for two round trips. In a write-once replica the probe creates one object of a fixed
 * name, which stays, and only tries to create it again: 2 requests, 1 if the object exists.
 */
export class ConditionalWrites implements AskedGuarantees {
  readonly #requests: S3Requests
  readonly #path: string
  readonly #place: string
  /** Deletions of probes, which no caller waits for. */
  readonly #deletions = new Set<Promise<void>>()

  /** `path`: of the replica in the bucket. */
  constructor(requests: S3Requests, path: string) {
    this.#requests = requests
    this.#path = path
    const { endpoint, dialect, writeOnce } = requests.settings
    this.#place = `${endpoint} ${requests.bucket} ${dialect}${writeOnce ? ' write-once' : ''}`
  }

  get known(): WriteGuarantees | undefined {
    const { conditionalWrites } = this.#requests.settings
    if (conditionalWrites === 'always') return { createOnly: true, compareAndSet: true, reason: undefined }
    if (conditionalWrites === 'auto') return found.get(this.#place)
    return { createOnly: false, compareAndSet: false, reason: '`conditional-writes: never` is set' }
  }

  async ask({ signal }: RequestOptions = {}): Promise<WriteGuarantees> {
    const what = `writing to ${this.#requests.settings.dialect}://${this.#requests.bucket}`
    for (;;) {
      throwIfAborted(signal, what)
      const { known } = this
      if (known !== undefined) return known
      const other = probing.get(this.#place)
      // The probe belongs to all callers: the signal of one caller does not end it.
      const probe = orAborted(other ?? this.#startProbe(), signal, (each) => abortError(each, what))
      if (other === undefined) return probe
      try {
        return await probe
      } catch (error) {
        // The client that probed was closed: that says nothing about the store.
        if (!isLitestreamError(error, 'ABORTED')) throw error
      }
    }
  }

  /** Resolves when the probes are deleted, or cannot be. */
  async idle(): Promise<void> {
    await Promise.all(this.#deletions)
  }

  #startProbe(): Promise<WriteGuarantees> {
    const probe = this.#probe().finally(() => probing.delete(this.#place))
    probing.set(this.#place, probe)
    return probe
  }

  async #probe(): Promise<WriteGuarantees> {
    if (this.#requests.settings.writeOnce) return this.#probeWriteOnce()
    const key = `${this.#path}/probe-${randomUUID()}`
    const first = await this.#create(key)
    try {
      // The refusal may have another cause, which the plain request has, too.
      if (first === 'unsupported') await this.#put(key, {})
      const replacing = this.#replaceByWrongTag(key)
      const again = first === 'created' ? this.#create(key) : first
      // Both requests end before the object is deleted.
      const [second, refuses] = await settleAll([again, replacing])
      const reasons = [this.#lack(second), refuses].filter((one) => one !== undefined)
      const reason = reasons.length === 0 ? undefined : `the store ${reasons.join(' and ')}`
      return this.#found({ createOnly: second === 'refused', compareAndSet: refuses === undefined, reason })
    } finally {
      const deletion = this.#delete(key).finally(() => this.#deletions.delete(deletion))
      this.#deletions.add(deletion)
    }
  }

  async #probeWriteOnce(): Promise<WriteGuarantees> {
    const key = `${this.#path}/${WRITE_ONCE_PROBE}`
    const first = await this.#create(key)
    const second = first === 'created' ? await this.#create(key) : first
    const lack = this.#lack(second)
    const reason = lack === undefined ? undefined : `the store ${lack}`
    return this.#found({ createOnly: second === 'refused', compareAndSet: false, reason })
  }

  #found(guarantees: WriteGuarantees): WriteGuarantees {
    found.set(this.#place, guarantees)
    return guarantees
  }

  /** The condition that a store lacks, by its answer to the creation of an existing object. */
  #lack(second: Creation): string | undefined {
    const header = this.#requests.settings.dialect === 'oss' ? 'x-oss-forbid-overwrite' : 'If-None-Match'
    if (second === 'refused') return undefined
    return second === 'created' ? `ignores ${header}` : `does not support ${header}`
  }

  /**
   * `refused` also if the object did not exist before: after a lost answer the store gets the
   * request a second time.
   */
  async #create(key: string): Promise<Creation> {
    try {
      await this.#put(key, { IfNoneMatch: '*' })
      return 'created'
    } catch (error) {
      if (isLitestreamError(error, 'PRECONDITION_FAILED')) return 'refused'
      if (!isConditionRefused(error)) throw error
      return 'unsupported'
    }
  }

  async #replaceByWrongTag(key: string): Promise<string | undefined> {
    try {
      await this.#put(key, { IfMatch: NO_TAG })
      return 'ignores If-Match'
    } catch (error) {
      if (isLitestreamError(error, 'PRECONDITION_FAILED')) return undefined
      if (isConditionRefused(error) || isLitestreamError(error, 'NOT_FOUND')) return 'does not support If-Match'
      throw error
    }
  }

  async #put(key: string, condition: { readonly IfNoneMatch?: string; readonly IfMatch?: string }): Promise<void> {
    const { bucket: Bucket, customerKey } = this.#requests
    const input = { Bucket, Key: key, Body: BODY, ContentLength: BODY.byteLength, ...customerKey, ...condition }
    await this.#requests.retried(
      this.#subject('PUT'),
      () => (client, options) => client.send(new PutObjectCommand(input), options),
    )
  }

  async #delete(key: string): Promise<void> {
    const { bucket: Bucket } = this.#requests
    try {
      await this.#requests.retried(
        this.#subject('DELETE'),
        () => (client, options) => client.send(new DeleteObjectCommand({ Bucket, Key: key }), options),
      )
    } catch (error) {
      // Without the right to delete, the probe object of two bytes stays.
      if (!(error instanceof LitestreamError)) throw error
    }
  }

  /** Errors name the replica, because the key of the probe object means nothing to a user. */
  #subject(operation: 'PUT' | 'DELETE'): Subject {
    return { operation, doing: 'writing', target: this.#requests.target(this.#path) }
  }
}
