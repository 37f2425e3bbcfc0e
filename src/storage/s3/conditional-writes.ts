import { randomUUID } from 'node:crypto'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { abortError, throwIfAborted } from '../../util/abort.js'
import { orAborted } from '../../util/or-aborted.js'
import { settleAll } from '../../util/settle-all.js'
import type { RequestOptions } from '../replica-client.js'
import type { AskedGuarantees, WriteGuarantees } from '../write-guarantees.js'
import { DeleteObjectCommand, PutObjectCommand } from './aws.js'
import { isConditionRefused } from './errors.js'
import type { S3Requests, Subject } from './requests.js'

const BODY = Buffer.from('{}')
/**
 * Name of the object with which a write-once replica probes the store. The client never deletes the
 * probe object of a write-once replica.
 */
const WRITE_ONCE_PROBE = 'write-once-probe'
/** An entity tag that no object can have. */
const NO_TAG = '"00000000000000000000000000000000"'

/**
 * The results of this thread's probes, by endpoint and bucket. A process with a thousand databases
 * in one bucket therefore sends one probe.
 */
const found = new Map<string, WriteGuarantees>()
const probing = new Map<string, Promise<WriteGuarantees>>()

/** How a store answers the conditional creation of an object. */
type Creation = 'created' | 'refused' | 'unsupported'

/**
 * Determines whether a store enforces conditional writes. The values `always` and `never` of the
 * setting `conditional-writes` decide this question without a request. With `auto`, a probe before
 * the first write decides. The probe creates an object `probe-<uuid>` beside the levels. The probe
 * then tries in parallel to create the object again, and to replace the object with a wrong tag.
 * Finally the probe deletes the object that it created. The probe sends 4 requests, and a caller
 * waits for two round trips of them. In a write-once replica, the probe creates one object with a
 * fixed name, and tries to create the object again. The object with the fixed name stays in the
 * store. The probe of a write-once replica sends 2 requests, or 1 request if the object exists
 * already.
 */
export class ConditionalWrites implements AskedGuarantees {
  readonly #requests: S3Requests
  readonly #path: string
  readonly #place: string
  /**
   * Deletions of probe objects that are still running. Of all callers, only `idle` waits for the
   * deletions of probe objects.
   */
  readonly #deletions = new Set<Promise<void>>()

  /** `path` is the path of the replica in the bucket. */
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
      // Several callers share the probe, so the signal of one caller ends only the wait of that
      // caller.
      const probe = orAborted(other ?? this.#startProbe(), signal, (each) => abortError(each, what))
      if (other === undefined) return probe
      try {
        return await probe
      } catch (error) {
        // The probe failed because the client that sent it was closed. The error ABORTED says
        // nothing about the store, so the loop starts a new probe.
        if (!isLitestreamError(error, 'ABORTED')) throw error
      }
    }
  }

  /** Resolves when no deletion of a probe object is running any more. */
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
      // The store may have refused the creation for a reason other than its condition. If the store
      // had another reason, the same request without a condition throws the error for that reason.
      if (first === 'unsupported') await this.#put(key, {})
      const replacing = this.#replaceByWrongTag(key)
      const again = first === 'created' ? this.#create(key) : first
      // Waits for both requests, because the object must not be deleted before both requests have
      // ended.
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

  /**
   * Returns the condition that the store ignores, according to the store's response to the creation
   * of an existing object.
   */
  #lack(second: Creation): string | undefined {
    const header = this.#requests.settings.dialect === 'oss' ? 'x-oss-forbid-overwrite' : 'If-None-Match'
    if (second === 'refused') return undefined
    return second === 'created' ? `ignores ${header}` : `does not support ${header}`
  }

  /**
   * Creates an object conditionally. May return `refused` for an object that did not exist before,
   * because the client repeats a request whose response was lost.
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
      // If the credentials do not allow deletions, the probe object, which has two bytes, stays in
      // the store.
      if (!(error instanceof LitestreamError)) throw error
    }
  }

  /**
   * Error messages name the replica instead of the probe object, because a user does not know the
   * probe object.
   */
  #subject(operation: 'PUT' | 'DELETE'): Subject {
    return { operation, doing: 'writing', target: this.#requests.target(this.#path) }
  }
}
