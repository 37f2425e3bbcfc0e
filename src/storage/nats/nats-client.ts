import { LitestreamError } from '../../errors.js'
import { elapsedMs } from '../../util/elapsed.js'
import { runAll } from '../../util/run-all.js'
import { type WaitOptions, withDeadline } from '../../util/wait.js'
import { relativeName } from '../keys.js'
import { checkedListing } from '../listing.js'
import { mergedSettings } from '../merged-settings.js'
import { checkSameFile } from '../object-identity.js'
import type { OutageListener } from '../outage.js'
import type {
  ByteRange,
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
import { ABANDONED_AFTER, sweepAbandonedChunks } from './abandoned-chunks.js'
import { openBucket } from './bucket.js'
import { ChunkIndexes } from './chunk-index.js'
import { connectionOptions } from './connection-options.js'
import { checkNatsBucket, type NatsLocation } from './location.js'
import { MetaStore } from './meta-store.js'
import { watchMetas } from './meta-watch.js'
import { checkMeta, factsOf, isPresent, type ObjectMeta } from './object-meta.js'
import { ObjectReader } from './object-reader.js'
import { ObjectWriter } from './object-writer.js'
import { NatsSession } from './session.js'
import type { NatsSettings } from './settings.js'

/** Number of files that the client deletes in parallel. */
const DELETE_CONCURRENCY = 8

/**
 * A client of a replica in a bucket of a NATS object store. Objects are named
 * `<prefix>/ltx/<level>/<min>-<max>.ltx`.
 */
export class NatsReplicaClient implements ReplicaClient {
  readonly type = 'nats'
  readonly url: string
  readonly #session: NatsSession
  readonly #prefix: string
  readonly #metas: MetaStore
  readonly #reader: ObjectReader
  readonly #writer: ObjectWriter
  /** Time of the next removal of abandoned chunks, as a value of `elapsedMs()`. */
  #nextSweep = 0

  private constructor(url: string, session: NatsSession, prefix: string, keepsChunks: boolean) {
    const indexes = new ChunkIndexes(session)
    this.url = url
    this.#session = session
    this.#prefix = prefix
    this.#metas = new MetaStore(session, prefix)
    this.#reader = new ObjectReader(session, this.#metas, indexes)
    this.#writer = new ObjectWriter(session, this.#metas, indexes, keepsChunks)
  }

  /**
   * Connects to the server and checks the bucket. Throws NOT_FOUND if the bucket does not exist and
   * the settings do not allow creating it.
   */
  static async open(
    location: NatsLocation,
    given: NatsSettings & { readonly bucket?: string } = {},
    signal?: AbortSignal,
    onOutage?: OutageListener,
  ): Promise<NatsReplicaClient> {
    const { bucket, settings } = bucketAndSettings(location, given)
    const path = [bucket, ...location.prefix.split('/').filter((part) => part !== '')].map(encodeURIComponent)
    const url = `nats://${location.server}/${path.join('/')}`
    const session = await NatsSession.open({ server: location.server, bucket, url, settings, onOutage }, signal)
    try {
      await openBucket(session, settings.createBucket === true, signal)
    } catch (error) {
      await session.close()
      throw error
    }
    const prefix = location.prefix === '' ? '' : `${location.prefix}/`
    return new NatsReplicaClient(url, session, prefix, settings.writeOnce === true)
  }

  /**
   * Checks the settings and reads the files that the settings name. Does not connect to the server.
   * Throws the errors that `open` would throw for the settings and files.
   */
  static async check(location: NatsLocation, given: NatsSettings & { readonly bucket?: string } = {}): Promise<void> {
    await connectionOptions(location.server, bucketAndSettings(location, given).settings)
  }

  async *list(level: number, { fromTxid = 0, signal }: ListOptions = {}): AsyncIterable<LtxFileInfo> {
    yield* checkedListing(await this.#metas.list(level, fromTxid, signal), { what: `listing ${this.url}`, signal })
  }

  async *replicas({ signal }: RequestOptions = {}): AsyncIterable<string> {
    const found = new Set<string>()
    for (const name of await this.#metas.names(signal)) {
      const match = /^(?:(.*)\/)?ltx\/[0-9]\/[^/]+\.ltx$/s.exec(name.slice(this.#prefix.length))
      if (match) found.add(match[1] ?? '')
    }
    yield* [...found].sort()
  }

  read(file: LtxFileRef, range: ByteRange, options: ReadOptions = {}): Promise<ReadResult> {
    return this.#reader.read(this.#name(file), range, { ...options, check: this.#check(file) })
  }

  async *stream(
    file: LtxFileRef,
    { offset = 0, signal }: RequestOptions & { readonly offset?: number } = {},
  ): AsyncIterable<Uint8Array> {
    yield* this.#reader.stream(this.#name(file), offset, { signal, check: this.#check(file) })
  }

  async write(
    file: LtxFileRef,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    { timestamp, createOnly = false, signal }: WriteOptions,
  ): Promise<LtxFileInfo> {
    const expected = createOnly ? 'absent' : 'any'
    const { meta } = await this.#writer.put(this.#name(file), body, { expected, timestamp, signal })
    return { level: file.level, minTxid: file.minTxid, maxTxid: file.maxTxid, size: meta.size, createdAt: timestamp }
  }

  async delete(files: readonly LtxFileRef[], { signal }: RequestOptions = {}): Promise<void> {
    const deletions = files.map((file) => () => this.#writer.delete(this.#name(file), 'any', signal))
    await runAll(DELETE_CONCURRENCY, deletions)
    // Each deletion leaves a deletion marker in the stream. The client removes two old deletion
    // markers for each new one, which limits the number of markers.
    await this.#writer.removeNotes(this.#metas.takeOldNotes(2 * files.length), signal)
    if (elapsedMs() < this.#nextSweep) return
    this.#nextSweep = elapsedMs() + ABANDONED_AFTER
    await sweepAbandonedChunks(this.#session, ABANDONED_AFTER, signal)
  }

  async stat(file: LtxFileRef, { signal }: RequestOptions = {}): Promise<LtxFileInfo> {
    const name = this.#name(file)
    const stored = await this.#metas.fetch({ operation: 'HEAD', doing: 'checking', name, signal })
    if (stored === undefined || !isPresent(stored.meta)) {
      const target = this.#session.label(name)
      throw new LitestreamError('NOT_FOUND', `${target} does not exist`, { file: target })
    }
    checkMeta(stored.meta, this.#session.label(name))
    const { level, minTxid, maxTxid } = file
    return { level, minTxid, maxTxid, ...factsOf(stored.meta) }
  }

  watch(onChange: () => void, { signal }: RequestOptions = {}): Promise<void> {
    const level = `${this.#prefix}ltx/0/`
    return watchMetas(this.#session, ({ name }) => name.startsWith(level), onChange, signal)
  }

  getObject(name: string, { signal }: RequestOptions = {}): Promise<TaggedObject | undefined> {
    return this.#reader.readWhole(this.#prefix + name, signal)
  }

  async putObject(
    name: string,
    data: Uint8Array,
    ifTag: string | null,
    { signal }: RequestOptions = {},
  ): Promise<string> {
    const expected = ifTag === null ? 'absent' : { seq: Number(ifTag) }
    const { seq } = await this.#writer.put(this.#prefix + name, data, { expected, signal })
    return String(seq)
  }

  async deleteObject(name: string, ifTag: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.#writer.delete(this.#prefix + name, { seq: Number(ifTag) }, signal)
  }

  stats(): Record<Operation, OperationStats> {
    return this.#session.counters.snapshot()
  }

  async close(waiting: WaitOptions = {}): Promise<void> {
    await withDeadline(`closing ${this.url}`, waiting, () => this.#close(), { abandon: true })
  }

  async #close(): Promise<void> {
    await this.#session.close()
  }

  #check(file: LtxFileRef): (meta: ObjectMeta) => void {
    return (meta) => checkSameFile(file, factsOf(meta), this.#session.label(meta.name))
  }

  #name(file: LtxFileRef): string {
    return this.#prefix + relativeName(file)
  }
}

function bucketAndSettings(
  location: NatsLocation,
  given: NatsSettings & { readonly bucket?: string },
): { readonly bucket: string; readonly settings: NatsSettings } {
  const bucket = location.bucket ?? given.bucket
  if (bucket === undefined) {
    throw new LitestreamError('INVALID_URL', `nats://${location.server}: the replica has no bucket`, {
      hint: 'Write the bucket into the replica URL (nats://HOST:4222/BUCKET), or set `bucket` in the settings of the replica.',
    })
  }
  checkNatsBucket(bucket, `nats://${location.server}`)
  if (given.bucket !== undefined && given.bucket !== bucket) {
    throw new LitestreamError(
      'INVALID_URL',
      `nats://${location.server}: the bucket is "${bucket}" in the URL and "${given.bucket}" in the settings`,
      { hint: 'Remove the bucket name from the replica URL or from the settings of the replica.' },
    )
  }
  return { bucket, settings: merged(location.settings, given) }
}

/** If the caller gives any credentials, the client ignores all credentials of the URL. */
function merged(url: NatsSettings, given: NatsSettings): NatsSettings {
  const identity = ['username', 'password', 'token', 'jwt', 'seed', 'creds', 'nkey'] as const
  return mergedSettings(url, given, Object.fromEntries(identity.map((key) => [key, identity])))
}
