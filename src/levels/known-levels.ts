import { isLitestreamError } from '../errors.js'
import { LEVELS } from '../ltx/format.js'
import { compareFiles } from '../storage/keys.js'
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
} from '../storage/replica-client.js'
import { type FilesByLevel, listTogether } from './plan.js'

/** Files of one level that are remembered; of a longer level the newest. Some 100 bytes each. */
const MAX_KNOWN = 20_000

export interface KnownLevelsOptions {
  /** Files of one level that are remembered. */
  readonly most?: number
  /** The clock, milliseconds since the epoch. */
  readonly now?: () => number
}

/** A listing of all levels, and what another program has changed. */
export interface Relisting {
  readonly levels: FilesByLevel
  /** Number of known files that are listed as they were. */
  readonly kept: number
  readonly gone: readonly LtxFileInfo[]
  /** As they are listed now. */
  readonly changed: readonly LtxFileInfo[]
}

/** What is known of one level: every file whose min TXID is at least `from`, in the order of a listing. */
interface Known {
  readonly files: LtxFileInfo[]
  from: number
}

/**
 * A replica of which this process is the only writer: each level is listed once, and from then on what was written and deleted
 * through this client is known, so that a primary that has nothing to do asks the store for nothing. After an error, and when a file
 * turns out to be gone, the level is listed again; so it is after `forget`, which whoever deletes for good has to call before.
 */
export class KnownLevels implements ReplicaClient {
  readonly type: ReplicaClient['type']
  readonly url: string
  readonly legacy?: LegacyObjects
  readonly #client: ReplicaClient
  readonly #most: number
  readonly #now: () => number
  readonly #levels = new Map<number, Known>()
  /** Changes of a level so far: what was listed while there was one is not remembered. */
  readonly #changes = new Map<number, number>()

  constructor(client: ReplicaClient, { most = MAX_KNOWN, now = Date.now }: KnownLevelsOptions = {}) {
    this.#client = client
    this.#most = most
    this.#now = now
    this.type = client.type
    this.url = client.url
    if (client.legacy) this.legacy = client.legacy
    if (client.watch) this.watch = client.watch.bind(client)
    if (client.listUpwards) this.listUpwards = this.#listUpwards
  }

  readonly watch?: (onChange: () => void, options?: RequestOptions) => Promise<void>
  /** Asks the store, and remembers every level it tells of. */
  readonly listUpwards?: (level: number, options?: ListOptions) => AsyncIterable<LtxFileInfo>

  /** The next listing of every level is the store's. */
  forget(): void {
    for (const level of this.#levels.keys()) this.#forgetLevel(level)
  }

  /**
   * Lists every level of the store again and remembers it. Returns what another program has changed since: files that are gone
   * although they were not deleted through this client, and files that have another size than the one that was written.
   */
  async relist(options: RequestOptions = {}): Promise<Relisting> {
    const before = new Map([...this.#levels].map(([level, { files }]) => [level, [...files]]))
    const changes = new Map(this.#changes)
    const levels = await listTogether(this.#client, 0, options)
    const gone: LtxFileInfo[] = []
    const changed: LtxFileInfo[] = []
    let kept = 0
    for (const [level, listed] of levels.entries()) {
      // What was written or deleted meanwhile may be in the listing, or not.
      if (this.#changes.get(level) !== changes.get(level)) continue
      for (const file of before.get(level) ?? []) {
        const at = indexOf(listed, file)
        const now = listed[at]
        if (!now || compareFiles(now, file) !== 0) gone.push(file)
        else if (now.size !== file.size) changed.push(now)
        else kept++
      }
      this.#remember(level, listed, 0, changes.get(level))
    }
    return { levels, kept, gone, changed }
  }

  async *list(level: number, options: ListOptions = {}): AsyncIterable<LtxFileInfo> {
    const { fromTxid = 0 } = options
    const known = this.#levels.get(level)
    if (known && known.from <= fromTxid) {
      yield* known.files.slice(indexOf(known.files, { level, minTxid: fromTxid, maxTxid: 0 }))
      return
    }
    const changes = this.#changes.get(level)
    const files: LtxFileInfo[] = []
    for await (const file of this.#client.list(level, options)) files.push(file)
    this.#remember(level, files, fromTxid, changes)
    yield* files
  }

  async *#listUpwards(level: number, options: ListOptions = {}): AsyncIterable<LtxFileInfo> {
    const { fromTxid = 0 } = options
    const changes = new Map(this.#changes)
    const levels = new Map<number, LtxFileInfo[]>(LEVELS.filter((each) => each >= level).map((each) => [each, []]))
    for await (const file of this.#client.listUpwards!(level, options)) levels.get(file.level)!.push(file)
    for (const [each, files] of levels) {
      this.#remember(each, files, each === level ? fromTxid : 0, changes.get(each))
      yield* files
    }
  }

  /** `changes`: of this level, before it was listed. */
  #remember(level: number, files: readonly LtxFileInfo[], from: number, changes: number | undefined): void {
    if (this.#changes.get(level) !== changes) return
    const listed = { files: [...files], from }
    this.#trim(listed)
    this.#levels.set(level, listed)
  }

  async write(
    file: LtxFileRef,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options: WriteOptions,
  ): Promise<LtxFileInfo> {
    const { level } = file
    try {
      const written = await this.#client.write(file, body, options)
      this.#changed(level)
      // Listings tell when an object was written; a file system its timestamp, which is not later.
      this.#add({ ...written, createdAt: Math.max(written.createdAt, this.#now()) })
      return written
    } catch (error) {
      // It may be there all the same.
      this.#forgetLevel(level)
      throw error
    }
  }

  async delete(files: readonly LtxFileRef[], options?: RequestOptions): Promise<void> {
    const levels = new Set(files.map(({ level }) => level))
    try {
      await this.#client.delete(files, options)
    } catch (error) {
      for (const level of levels) this.#forgetLevel(level)
      throw error
    }
    for (const level of levels) this.#changed(level)
    for (const file of files) this.#remove(file)
  }

  read(file: LtxFileRef, range: ByteRange, options?: ReadOptions): Promise<ReadResult> {
    return this.#noticing(file.level, () => this.#client.read(file, range, options))
  }

  async *stream(file: LtxFileRef, options?: RequestOptions & { readonly offset?: number }): AsyncIterable<Uint8Array> {
    try {
      yield* this.#client.stream(file, options)
    } catch (error) {
      this.#notice(file.level, error)
      throw error
    }
  }

  stat(file: LtxFileRef, options?: RequestOptions): Promise<LtxFileInfo> {
    return this.#noticing(file.level, () => this.#client.stat(file, options))
  }

  getObject(name: string, options?: RequestOptions): Promise<TaggedObject | undefined> {
    return this.#client.getObject(name, options)
  }

  putObject(name: string, data: Uint8Array, ifTag: string | null, options?: RequestOptions): Promise<string> {
    return this.#client.putObject(name, data, ifTag, options)
  }

  deleteObject(name: string, ifTag: string, options?: RequestOptions): Promise<void> {
    return this.#client.deleteObject(name, ifTag, options)
  }

  stats(): Readonly<Record<Operation, OperationStats>> {
    return this.#client.stats()
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  async #noticing<T>(level: number, act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      this.#notice(level, error)
      throw error
    }
  }

  /** A file that is gone although nothing here has deleted it. */
  #notice(level: number, error: unknown): void {
    if (isLitestreamError(error, 'NOT_FOUND')) this.#forgetLevel(level)
  }

  #changed(level: number): void {
    this.#changes.set(level, (this.#changes.get(level) ?? 0) + 1)
  }

  #forgetLevel(level: number): void {
    this.#changed(level)
    this.#levels.delete(level)
  }

  #add(file: LtxFileInfo): void {
    const known = this.#levels.get(file.level)
    if (!known || file.minTxid < known.from) return
    const at = indexOf(known.files, file)
    const there = known.files[at]
    known.files.splice(at, there && compareFiles(there, file) === 0 ? 1 : 0, file)
    this.#trim(known)
  }

  #remove(file: LtxFileRef): void {
    const files = this.#levels.get(file.level)?.files
    if (!files) return
    const at = indexOf(files, file)
    const there = files[at]
    if (there && compareFiles(there, file) === 0) files.splice(at, 1)
  }

  #trim(known: Known): void {
    if (known.files.length <= this.#most) return
    known.files.splice(0, known.files.length - (this.#most >>> 1))
    // A file before the first that is left may begin at the same TXID.
    known.from = known.files[0]!.minTxid + 1
  }
}

/** Where `file` is, or would be. */
function indexOf(files: readonly LtxFileInfo[], file: LtxFileRef): number {
  let low = 0
  let high = files.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareFiles(files[middle]!, file) < 0) low = middle + 1
    else high = middle
  }
  return low
}
