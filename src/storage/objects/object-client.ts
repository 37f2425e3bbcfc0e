import { isLitestreamError } from '../../errors.js'
import { parseFileName } from '../../ltx/file-name.js'
import { SNAPSHOT_LEVEL } from '../../ltx/format.js'
import { runAll } from '../../util/run-all.js'
import { type WaitOptions, withDeadline } from '../../util/wait.js'
import { gather } from '../body-reader.js'
import { type DownloadedFiles, type FoundCheck, type FoundObject, readRange, streamFrom } from '../http-download.js'
import { firstName, levelDirectory, relativeName } from '../keys.js'
import { checkedListing, checkFacts } from '../listing.js'
import { checkSameFile, isListed } from '../object-identity.js'
import { OperationCounters } from '../operation-counters.js'
import type { OutageListener } from '../outage.js'
import { pagedFolders } from '../paged-folders.js'
import type {
  ByteRange,
  LegacyObjects,
  ListOptions,
  LtxFileInfo,
  LtxFileRef,
  Operation,
  OperationStats,
  ReadOptions,
  ReadResult,
  ReplicaClient,
  RequestOptions,
  TaggedObject,
  WriteOptions,
} from '../replica-client.js'
import { DEFAULT_POLICY, type RequestPolicy } from '../request-policy.js'
import { checkTaggedSize, MAX_TAGGED_OBJECT } from '../tagged-size.js'
import { storeFolder, walkReplicas } from '../walk-folders.js'
import { download } from './download.js'
import { ObjectLegacyObjects } from './legacy-objects.js'
import { listObjects } from './listing.js'
import { isNoBucket } from './no-bucket.js'
import type { ObjectStore, StoredObject } from './object-store.js'
import { Requests, type Subject } from './requests.js'
import { upload } from './upload.js'

/** Options of an ObjectReplicaClient. Only tests set the options `policy` and `pageSize`. */
export interface ObjectClientOptions {
  readonly onOutage?: OutageListener | undefined
  readonly policy?: Partial<RequestPolicy>
  /**
   * Number of objects per page of a listing. If `pageSize` is undefined, the store decides how many
   * objects a page of a listing has.
   */
  readonly pageSize?: number
}

/** Number of objects that the client deletes in parallel, with one request each. */
const DELETE_CONCURRENCY = 16

/** Pattern of the end of an LTX file's key, after `ltx/`. */
const FILE_KEY = /^([0-9])\/([^/]*)$/

/**
 * A client of a replica in an object store. Objects are named `<path>/ltx/<level>/<min>-<max>.ltx`.
 * The class contains all code that is independent of the kind of store. An ObjectStore sends the
 * requests for the class.
 */
export class ObjectReplicaClient implements ReplicaClient {
  readonly type: ObjectStore['type']
  readonly url: string
  readonly legacy: LegacyObjects
  readonly #store: ObjectStore
  /**
   * Prefix that the keys of all files of the replica have. The prefix is empty or ends with a
   * slash.
   */
  readonly #prefix: string
  readonly #counters: OperationCounters
  readonly #requests: Requests
  readonly #files: DownloadedFiles

  /**
   * `path` is the path of the replica in the bucket or container, without a slash at either end.
   * The path "" means the whole bucket or container.
   */
  constructor(store: ObjectStore, path: string, { policy, onOutage }: ObjectClientOptions = {}) {
    this.type = store.type
    this.url = path === '' ? store.url : `${store.url}/${path}`
    this.#counters = new OperationCounters(this.url, onOutage)
    this.#store = store
    this.#prefix = path === '' ? '' : `${path}/`
    this.#requests = new Requests({
      url: this.url,
      policy: { ...DEFAULT_POLICY, ...policy },
      counters: this.#counters,
      toError: (error, attempted) => store.toError(error, attempted),
    })
    this.#files = {
      target: (file) => this.#target(this.#key(file)),
      stat: (file, options) => this.stat(file, options),
      download: (file, range, signal) => {
        const key = this.#key(file)
        const subject = this.#subject('GET', 'reading', key, signal)
        return this.#download(subject, key, range, this.#check(file, subject))
      },
    }
    this.legacy = new ObjectLegacyObjects(store, this.#requests, this.#prefix)
  }

  list(level: number, { fromTxid = 0, signal }: ListOptions = {}): AsyncIterable<LtxFileInfo> {
    const prefix = `${this.#prefix}${levelDirectory(level)}/`
    return this.#list(prefix, { level, fromTxid }, signal)
  }

  listUpwards(level: number, { fromTxid = 0, signal }: ListOptions = {}): AsyncIterable<LtxFileInfo> {
    return this.#list(`${this.#prefix}ltx/`, { level, fromTxid }, signal)
  }

  /**
   * Lists the files of a level and of all higher levels. Each level is one digit in the key, so the
   * store returns the levels in ascending order.
   */
  async *#list(
    prefix: string,
    first: { readonly level: number; readonly fromTxid: number },
    signal: AbortSignal | undefined,
  ): AsyncIterable<LtxFileInfo> {
    const { level, fromTxid } = first
    const subject = this.#subject('LIST', 'listing', prefix, signal)
    const directory = `${this.#prefix}${levelDirectory(level)}/`
    const from = fromTxid > 0 ? directory + firstName(fromTxid) : directory
    const objects = listObjects(this.#store, this.#requests, subject, prefix, from)
    const root = `${this.#prefix}ltx/`
    const files = async function* () {
      for await (const object of objects) {
        const file = fileOf(object.key.slice(root.length))
        if (file === undefined || file.level < level || (file.level === level && file.minTxid < fromTxid)) continue
        yield { ...file, ...factsOf(object) }
      }
    }
    yield* checkedListing(files(), { what: `listing ${subject.target}`, signal })
  }

  async *replicas({ signal }: RequestOptions = {}): AsyncIterable<string> {
    const foldersIn = (relative: string) => {
      const prefix = relative === '' ? this.#prefix : `${this.#prefix}${relative}/`
      const subject = this.#subject('LIST', 'listing', prefix, signal)
      return pagedFolders(prefix, `${subject.doing} ${subject.target}`, (token) =>
        this.#requests.retried(subject, () => (limit) => this.#store.listFolders(prefix, token, limit)),
      )
    }
    const list = (relative: string) => storeFolder(relative, foldersIn)
    yield* walkReplicas(list, { what: `listing the replicas below ${this.url}`, signal })
  }

  read(file: LtxFileRef, range: ByteRange, options: ReadOptions = {}): Promise<ReadResult> {
    if ('suffix' in range && !this.#store.suffixRanges) return this.#readSuffix(file, range.suffix, options)
    return readRange(this.#files, file, range, options)
  }

  /**
   * Reads the final bytes of a file from a store that does not support suffix ranges. If `file` has
   * a size, the client uses this size. Otherwise the client requests the size from the store.
   */
  async #readSuffix(file: LtxFileRef, suffix: number, options: ReadOptions): Promise<ReadResult> {
    const { signal } = options
    const stat = async () => this.stat(file, signal ? { signal } : {})
    const known = isListed(file) ? file : await stat()
    const length = Math.min(suffix, known.size)
    try {
      return await this.read(known, { offset: known.size - length, length }, options)
    } catch (error) {
      // If the store rejects the range because it exceeds the object, the object is not the listed
      // file.
      if (!isLitestreamError(error, 'INVALID_ARGUMENT')) throw error
      checkSameFile(known, await stat(), this.#target(this.#key(file)))
      throw error
    }
  }

  stream(file: LtxFileRef, options?: RequestOptions & { readonly offset?: number }): AsyncIterable<Uint8Array> {
    return streamFrom(this.#files, file, options)
  }

  async write(
    file: LtxFileRef,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    { timestamp, createOnly = false, signal }: WriteOptions,
  ): Promise<LtxFileInfo> {
    const key = this.#key(file)
    const subject = this.#subject('PUT', 'writing', key, signal)
    const ifVersion = createOnly ? null : undefined
    const size = await upload(this.#store, this.#requests, subject, key, body, { timestamp, ifVersion })
    return { level: file.level, minTxid: file.minTxid, maxTxid: file.maxTxid, size, createdAt: timestamp }
  }

  async delete(files: readonly LtxFileRef[], { signal }: RequestOptions = {}): Promise<void> {
    const deletions = files.map((file) => () => this.#delete(this.#key(file), undefined, signal))
    await runAll(DELETE_CONCURRENCY, deletions)
  }

  async stat(file: LtxFileRef, { signal }: RequestOptions = {}): Promise<LtxFileInfo> {
    const key = this.#key(file)
    const facts = factsOf(await this.#head(key, signal))
    checkFacts(facts, key, `checking ${this.#target(key)}`)
    return { level: file.level, minTxid: file.minTxid, maxTxid: file.maxTxid, ...facts }
  }

  async getObject(name: string, { signal }: RequestOptions = {}): Promise<TaggedObject | undefined> {
    const key = this.#prefix + name
    const subject = this.#subject('GET', 'reading', key, signal)
    const range = { offset: 0, length: MAX_TAGGED_OBJECT }
    try {
      const check = ({ fileSize }: FoundObject) => checkTaggedSize(fileSize, subject.target)
      const { chunks, found } = this.#download(subject, key, range, check)
      const data = await gather(chunks, () => found().fileSize)
      return { data, tag: found().version ?? '' }
    } catch (error) {
      // A store rejects any range of an empty object.
      if (isLitestreamError(error, 'INVALID_ARGUMENT')) return this.#emptyObject(key, signal)
      // If the bucket is missing, the error NOT_FOUND says nothing about the object.
      if (isLitestreamError(error, 'NOT_FOUND') && !isNoBucket(error)) return undefined
      throw error
    }
  }

  async #emptyObject(key: string, signal: AbortSignal | undefined): Promise<TaggedObject> {
    const { version = '' } = await this.#head(key, signal)
    return { data: new Uint8Array(), tag: version }
  }

  /**
   * Writes a small object in a single attempt. A retry after a lost response could not tell which
   * writer's object exists. The owner of a lease must know which writer's object exists.
   */
  async putObject(
    name: string,
    data: Uint8Array,
    ifTag: string | null,
    { signal }: RequestOptions = {},
  ): Promise<string> {
    const key = this.#prefix + name
    const subject = this.#subject('PUT', 'writing', key, signal)
    return this.#requests.once(subject, (limit) => this.#store.put(key, data, { ifVersion: ifTag }, limit))
  }

  async deleteObject(name: string, ifTag: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.#delete(this.#prefix + name, ifTag, signal)
  }

  stats(): Readonly<Record<Operation, OperationStats>> {
    return this.#counters.snapshot()
  }

  async close(waiting: WaitOptions = {}): Promise<void> {
    await withDeadline(`closing ${this.url}`, waiting, () => this.#close(), { abandon: true })
  }

  async #close(): Promise<void> {
    this.#requests.close()
    this.#store.close()
  }

  #head(key: string, signal: AbortSignal | undefined): Promise<StoredObject> {
    const subject = this.#subject('HEAD', 'checking', key, signal)
    return this.#requests.retried(subject, () => (limit) => this.#store.head(key, limit))
  }

  /** Deletes an object. A missing object counts as deleted, but a missing bucket is an error. */
  async #delete(key: string, ifVersion: string | undefined, signal: AbortSignal | undefined): Promise<void> {
    const subject = this.#subject('DELETE', 'deleting', key, signal)
    try {
      await this.#requests.retried(subject, () => (limit) => this.#store.delete(key, ifVersion, limit))
    } catch (error) {
      if (!isLitestreamError(error, 'NOT_FOUND') || isNoBucket(error)) throw error
    }
  }

  #download(subject: Subject, key: string, range: ByteRange, check: FoundCheck) {
    return download(this.#store, this.#requests, subject, key, range, check)
  }

  #check(file: LtxFileRef, subject: Subject): FoundCheck {
    return ({ fileSize, version }) => checkSameFile(file, { size: fileSize, version }, subject.target)
  }

  #key(file: LtxFileRef): string {
    return this.#prefix + relativeName(file)
  }

  #target(key: string): string {
    return `${this.#store.url}/${key}`
  }

  #subject(operation: Operation, doing: string, key: string, signal: AbortSignal | undefined): Subject {
    return { operation, doing, target: this.#target(key), signal }
  }
}

function factsOf({ size, createdAt, version }: StoredObject): Pick<LtxFileInfo, 'size' | 'createdAt' | 'version'> {
  return { size, createdAt, version }
}

/**
 * Parses the end of a key, such as `0/0000000000000001-0000000000000001.ltx`. Returns undefined if
 * the text is not the end of an LTX file's key.
 */
function fileOf(name: string): LtxFileRef | undefined {
  const match = FILE_KEY.exec(name)
  const range = match === null ? undefined : parseFileName(match[2]!)
  if (range === undefined) return undefined
  const level = Number(match![1])
  return level <= SNAPSHOT_LEVEL ? { level, ...range } : undefined
}
