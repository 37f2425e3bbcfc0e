import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { parseFileName } from '../../ltx/file-name.js'
import { startTimer } from '../../util/timers.js'
import { type WaitOptions, withDeadline } from '../../util/wait.js'
import { gather } from '../body-reader.js'
import { EntityTags, versionOf } from '../entity-tags.js'
import { type DownloadedFiles, type FoundCheck, type FoundObject, readRange, streamFrom } from '../http-download.js'
import { firstName, parseS3Key, s3Key, s3LevelPrefix } from '../keys.js'
import { checkedListing, checkFacts } from '../listing.js'
import { mergedSettings } from '../merged-settings.js'
import { isListed } from '../object-identity.js'
import { OperationCounters } from '../operation-counters.js'
import type { OutageListener } from '../outage.js'
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
import { parseTimestamp, TIMESTAMP_KEY } from '../timestamp-metadata.js'
import { walkReplicas } from '../walk-folders.js'
import { DeleteObjectCommand, HeadObjectCommand, PutObjectCommand } from './aws.js'
import type { RequestHandler } from './bounded-replies.js'
import { ConditionalWrites } from './conditional-writes.js'
import { ObjectDeletion } from './delete.js'
import { download } from './download.js'
import { conditionError, isNoBucket } from './errors.js'
import { S3LegacyObjects } from './legacy-objects.js'
import { factsOf, listObjects } from './list.js'
import { asStoreFolder, listFolders } from './list-folders.js'
import type { S3Location } from './location.js'
import { type OssLocation, ossSettings } from './oss-location.js'
import { resolveS3Settings } from './provider.js'
import { S3Requests, type Subject } from './requests.js'
import { s3Connections, sdkClient } from './sdk.js'
import type { S3Settings } from './settings.js'

export interface S3ClientOptions {
  readonly onOutage?: OutageListener | undefined
  readonly policy?: Partial<RequestPolicy>
  /** A request handler with which tests replace the handler of the SDK. */
  readonly requestHandler?: RequestHandler
}

/** Milliseconds that `close()` waits for running deletions of probe objects. */
const CLOSE_MS = 2000

function urlOf({ type, bucket, path }: S3Location | OssLocation): string {
  return path === '.' ? `${type}://${bucket}` : `${type}://${bucket}/${path}`
}

/**
 * A client of a replica in an S3 bucket. Objects are named
 * `<path>/<level as 4 hex digits>/<min>-<max>.ltx`.
 */
export class S3ReplicaClient implements ReplicaClient {
  readonly type: 's3' | 'oss'
  readonly url: string
  readonly legacy: LegacyObjects
  readonly guarantees: ConditionalWrites
  readonly #path: string
  readonly #counters: OperationCounters
  readonly #requests: S3Requests
  readonly #tags: EntityTags
  readonly #files: DownloadedFiles
  readonly #deletion: ObjectDeletion
  /** Whether the store requires entity tags without quotes in If-Match, as Ceph does. */
  #bareTags = false

  private constructor(location: S3Location | OssLocation, requests: S3Requests, counters: OperationCounters) {
    this.type = location.type
    this.url = urlOf(location)
    this.legacy = new S3LegacyObjects(requests, location.path)
    this.guarantees = new ConditionalWrites(requests, location.path)
    this.#path = location.path
    this.#requests = requests
    this.#deletion = new ObjectDeletion(requests)
    this.#tags = new EntityTags((file, signal) => this.#listed(file, signal))
    this.#counters = counters
    this.#files = {
      target: (file) => requests.target(s3Key(location.path, file)),
      stat: (file, options) => this.stat(file, options),
      download: (file, range, signal) => {
        const key = s3Key(location.path, file)
        const subject = this.#subject('GET', 'reading', key, signal)
        return download(requests, subject, key, range, this.#check(file, subject))
      },
    }
  }

  /** Opens a client without sending a request. Throws INVALID_URL for incompatible settings. */
  static async open(
    location: S3Location | OssLocation,
    settings: S3Settings = {},
    { policy, requestHandler, onOutage }: S3ClientOptions = {},
  ): Promise<S3ReplicaClient> {
    const { bucket, type } = location
    const display = `${type}://${bucket}`
    const given = mergedSettings<S3Settings>(location.settings, settings)
    const completed = type === 'oss' ? ossSettings(given, display) : given
    const resolved = resolveS3Settings(completed, bucket, display, type)
    const inForce = { ...DEFAULT_POLICY, ...policy }
    const connections = await s3Connections(resolved, bucket)
    const { client: sdk, isNew } = sdkClient(resolved, bucket, inForce, connections, requestHandler)
    const debug = process.env.LITESTREAM_S3_DEBUG
    if (debug && isNew) (await import('./debug.js')).showRequests(sdk, debug)
    const counters = new OperationCounters(urlOf(location), onOutage)
    return new S3ReplicaClient(
      location,
      new S3Requests(sdk, bucket, resolved, inForce, counters, connections),
      counters,
    )
  }

  async *list(level: number, { fromTxid = 0, signal }: ListOptions = {}): AsyncIterable<LtxFileInfo> {
    const prefix = s3LevelPrefix(this.#path, level)
    const subject = this.#subject('LIST', 'listing', prefix, signal)
    const startAfter = fromTxid > 0 ? prefix + firstName(fromTxid) : undefined
    const objects = listObjects(this.#requests, subject, prefix, startAfter)
    const files = async function* () {
      for await (const object of objects) {
        const range = parseFileName(object.Key.slice(prefix.length))
        if (range === undefined || range.minTxid < fromTxid) continue
        yield { level, ...range, ...factsOf(object) }
      }
    }
    yield* checkedListing(files(), { what: `listing ${subject.target}`, signal })
  }

  async *replicas({ signal }: RequestOptions = {}): AsyncIterable<string> {
    // The keys of a replica at the root of a bucket begin with "./" or "/". For a replica at the
    // root of a bucket, the client lists the folders without "./" or "/".
    const atRoot = this.#path === '.' || this.#path === ''
    const base = atRoot ? '' : `${this.#path}/`
    const foldersOf = async (prefix: string) =>
      asStoreFolder(await listFolders(this.#requests, this.#subject('LIST', 'listing', prefix, signal), prefix))
    const list = async (relative: string) => {
      const folder = await foldersOf(relative === '' ? base : `${base}${relative}/`)
      if (relative !== '' || !atRoot || !folder.folders.includes(this.#path)) return folder
      const { isReplica } = await foldersOf(`${this.#path}/`)
      return { isReplica, folders: folder.folders.filter((name) => name !== this.#path) }
    }
    yield* walkReplicas(list, { what: `listing the replicas below ${this.url}`, signal })
  }

  async *listUpwards(level: number, { fromTxid = 0, signal }: ListOptions = {}): AsyncIterable<LtxFileInfo> {
    const subject = this.#subject('LIST', 'listing', `${this.#path}/`, signal)
    const prefix = s3LevelPrefix(this.#path, level)
    const from = fromTxid > 0 ? prefix + firstName(fromTxid) : prefix
    const objects = listObjects(this.#requests, subject, `${this.#path}/`, from)
    const path = this.#path
    const files = async function* () {
      for await (const object of objects) {
        const file = parseS3Key(path, object.Key)
        // The store returns keys in ascending order. If a key sorts after the keys of all levels,
        // no LTX file can follow in the listing.
        if (file === 'beyond') return
        if (!file || file.level < level || (file.level === level && file.minTxid < fromTxid)) continue
        yield { ...file, ...factsOf(object) }
      }
    }
    yield* checkedListing(files(), { what: `listing ${subject.target}`, signal })
  }

  read(file: LtxFileRef, range: ByteRange, options?: ReadOptions): Promise<ReadResult> {
    return readRange(this.#files, file, range, options)
  }

  stream(file: LtxFileRef, options?: RequestOptions & { readonly offset?: number }): AsyncIterable<Uint8Array> {
    return streamFrom(this.#files, file, options)
  }

  async write(
    file: LtxFileRef,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    { timestamp, createOnly = false, signal }: WriteOptions,
  ): Promise<LtxFileInfo> {
    const key = s3Key(this.#path, file)
    const subject = this.#subject('PUT', 'writing', key, signal)
    const { guarantees } = this
    // Readers do not need the code of an upload.
    const { upload } = await import('./upload.js')
    const size = await upload(this.#requests, subject, key, body, { timestamp, createOnly, guarantees })
    return { level: file.level, minTxid: file.minTxid, maxTxid: file.maxTxid, size, createdAt: timestamp }
  }

  delete(files: readonly LtxFileRef[], { signal }: RequestOptions = {}): Promise<void> {
    const keys = files.map((file) => s3Key(this.#path, file))
    return this.#deletion.delete(keys, this.#path, signal)
  }

  async stat(file: LtxFileRef, { signal }: RequestOptions = {}): Promise<LtxFileInfo> {
    const Key = s3Key(this.#path, file)
    const head = await this.#head(Key, signal)
    const { level, minTxid, maxTxid } = file
    const createdAt = parseTimestamp(head.Metadata?.[TIMESTAMP_KEY]) ?? head.LastModified?.getTime() ?? Number.NaN
    const found = { size: head.ContentLength ?? Number.NaN, version: versionOf(head.ETag) }
    checkFacts({ ...found, createdAt }, Key, `checking ${this.#requests.target(Key)}`)
    // If the found file is the listed one, the result has the version of the listing. The store may
    // report another entity tag for a single object than in its listings.
    const same = isListed(file) && (await this.#tags.isSame(file, found, signal))
    return {
      level,
      minTxid,
      maxTxid,
      createdAt,
      ...found,
      ...(same && file.version !== undefined && { version: file.version }),
    }
  }

  async getObject(name: string, { signal }: RequestOptions = {}): Promise<TaggedObject | undefined> {
    const Key = `${this.#path}/${name}`
    const subject = this.#replicaSubject('GET', 'reading', signal)
    const range = { offset: 0, length: MAX_TAGGED_OBJECT }
    try {
      const check = ({ fileSize }: FoundObject) => checkTaggedSize(fileSize, this.#requests.target(Key))
      const { chunks, found } = download(this.#requests, subject, Key, range, check)
      const data = await gather(chunks, () => found().fileSize)
      return { data, tag: found().version ?? '' }
    } catch (error) {
      // A store rejects any range of an empty object.
      if (isLitestreamError(error, 'INVALID_ARGUMENT')) return this.#emptyObject(Key, signal)
      // If the bucket is missing, the error NOT_FOUND says nothing about the object.
      if (isLitestreamError(error, 'NOT_FOUND') && !isNoBucket(error)) return undefined
      throw error
    }
  }

  async #emptyObject(Key: string, signal: AbortSignal | undefined): Promise<TaggedObject> {
    const { ETag = '' } = await this.#head(Key, signal)
    return { data: new Uint8Array(), tag: ETag }
  }

  #head(Key: string, signal: AbortSignal | undefined): Promise<HeadObjectCommandOutput> {
    const input = { Bucket: this.#requests.bucket, Key, ...this.#requests.customerKey }
    return this.#requests.retried(
      this.#subject('HEAD', 'checking', Key, signal),
      () => (client, options) => client.send(new HeadObjectCommand(input), options),
    )
  }

  async putObject(name: string, data: Uint8Array, ifTag: string | null, options: RequestOptions = {}): Promise<string> {
    const Key = `${this.#path}/${name}`
    const subject = this.#replicaSubject('PUT', 'writing', options.signal)
    const { createOnly, compareAndSet } = await this.guarantees.ask(options)
    if (!(ifTag === null ? createOnly : compareAndSet)) return this.#putUnconditionally(name, data, ifTag, options)
    const condition = () => (ifTag === null ? { IfNoneMatch: '*' } : { IfMatch: this.#bareTags ? bare(ifTag) : ifTag })
    try {
      return await this.#put(Key, data, condition(), subject)
    } catch (error) {
      if (ifTag === null || this.#bareTags || !isLitestreamError(error, 'PRECONDITION_FAILED')) {
        throw conditionError(error, ifTag === null ? 'If-None-Match' : 'If-Match', subject)
      }
      if ((await this.getObject(name, options))?.tag !== ifTag) throw error
      this.#bareTags = true
      return this.#put(Key, data, condition(), subject)
    }
  }

  /**
   * Writes a small object to a store without conditional writes. Without conditional writes,
   * another writer may change the object between the client's check and its write.
   */
  async #putUnconditionally(
    name: string,
    data: Uint8Array,
    ifTag: string | null,
    options: RequestOptions,
  ): Promise<string> {
    const Key = `${this.#path}/${name}`
    const subject = this.#replicaSubject('PUT', 'writing', options.signal)
    if (versionOf((await this.getObject(name, options))?.tag) !== versionOf(ifTag ?? undefined))
      throw wasChanged(subject)
    const tag = await this.#put(Key, data, {}, subject)
    if (versionOf((await this.getObject(name, options))?.tag) !== versionOf(tag)) throw wasChanged(subject)
    return tag
  }

  /**
   * Writes a small object in a single attempt. A retry after a lost response could not tell which
   * writer's object exists. The owner of a lease must know which writer's object exists.
   */
  async #put(
    Key: string,
    Body: Uint8Array,
    condition: { readonly IfNoneMatch?: string; readonly IfMatch?: string },
    subject: Subject,
  ): Promise<string> {
    const { bucket: Bucket, customerKey } = this.#requests
    const input = { Bucket, Key, Body, ContentLength: Body.byteLength, ...customerKey, ...condition }
    const { ETag = '' } = await this.#requests.once(subject, (client, sending) =>
      client.send(new PutObjectCommand(input), sending),
    )
    return ETag
  }

  async deleteObject(name: string, ifTag: string, { signal }: RequestOptions = {}): Promise<void> {
    const Key = `${this.#path}/${name}`
    // The client compares the tag before it sends the delete request, because some stores ignore
    // If-Match in a delete.
    const there = await this.getObject(name, signal ? { signal } : {})
    if (there === undefined) return
    if (there.tag !== ifTag) throw wasChanged(this.#replicaSubject('DELETE', 'writing', signal))
    await this.#requests.retried(
      this.#replicaSubject('DELETE', 'writing', signal),
      () => (client, options) => client.send(new DeleteObjectCommand({ Bucket: this.#requests.bucket, Key }), options),
    )
  }

  stats(): Readonly<Record<Operation, OperationStats>> {
    return this.#counters.snapshot()
  }

  async close(waiting: WaitOptions = {}): Promise<void> {
    await withDeadline(`closing ${this.url}`, waiting, () => this.#close(), { abandon: true })
  }

  async #close(): Promise<void> {
    // If the probe object cannot be deleted within CLOSE_MS, the object, which has two bytes,
    // stays.
    const timer = startTimer(CLOSE_MS, () => this.#requests.close())
    await this.guarantees.idle()
    timer.stop()
    this.#requests.close()
  }

  async #listed({ level, minTxid, maxTxid }: LtxFileRef, signal: AbortSignal | undefined) {
    for await (const file of this.list(level, { fromTxid: minTxid, ...(signal && { signal }) })) {
      if (file.minTxid > minTxid) return undefined
      if (file.maxTxid === maxTxid) return file
    }
    return undefined
  }

  #check(file: LtxFileRef, subject: Subject): FoundCheck {
    return ({ fileSize, version }) => this.#tags.check(file, { size: fileSize, version: versionOf(version) }, subject)
  }

  /**
   * Messages about a small object name the replica instead, because a user does not know the names
   * of small objects.
   */
  #replicaSubject(operation: Operation, doing: string, signal: AbortSignal | undefined): Subject {
    return { operation, doing, target: this.url, signal }
  }

  #subject(operation: Operation, doing: string, key: string, signal: AbortSignal | undefined): Subject {
    return { operation, doing, target: this.#requests.target(key), signal }
  }
}

function wasChanged({ doing, target }: Subject): LitestreamError {
  return new LitestreamError(
    'PRECONDITION_FAILED',
    `${doing} ${target} failed: the object was changed by another process`,
    { file: target },
  )
}

function bare(tag: string): string {
  return tag.replace(/^"|"$/g, '')
}
