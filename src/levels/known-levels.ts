import { isLitestreamError } from '../errors.js'
import { LEVELS } from '../ltx/format.js'
import { ForwardingClient } from '../storage/forwarding-client.js'
import { compareFiles } from '../storage/keys.js'
import type {
  ByteRange,
  ListOptions,
  LtxFileInfo,
  LtxFileRef,
  ReadOptions,
  ReadResult,
  ReplicaClient,
  RequestOptions,
  WriteOptions,
} from '../storage/replica-client.js'
import { type FilesByLevel, listTogether } from './plan.js'

/**
 * Maximum number of files that are remembered per level. Each remembered file needs about 100 bytes
 * of memory. If a level has more files, the newest files are remembered.
 */
const MAX_KNOWN = 20_000

export interface KnownLevelsOptions {
  /** Maximum number of files that are remembered per level. */
  readonly most?: number
  /** Returns the current time in milliseconds since the epoch. */
  readonly now?: () => number
}

/**
 * The result of `relist`, which contains the files of all levels and the changes that other
 * programs have made.
 */
export interface Relisting {
  readonly levels: FilesByLevel
  /** Number of remembered files that are unchanged in the listing. */
  readonly kept: number
  readonly gone: readonly LtxFileInfo[]
  /**
   * Files whose size in the listing differs from the remembered size, as the listing describes
   * them.
   */
  readonly changed: readonly LtxFileInfo[]
}

/**
 * The remembered files of one level, in the order of a listing. The remembered files include every
 * file whose min TXID is at least `from`.
 */
interface Known {
  readonly files: LtxFileInfo[]
  from: number
}

/**
 * A replica client that remembers the files of each level. This process must be the only writer of
 * the replica. The client lists each level once, and then updates the remembered files after its
 * own writes and deletions. An idle primary with this client sends no requests to the store. The
 * client lists a level again if a request failed, if a file was not found, or if `forget` was
 * called. Callers must call `forget` before they select files for deletion, so that they use a
 * current listing.
 */
export class KnownLevels extends ForwardingClient {
  readonly #most: number
  readonly #now: () => number
  readonly #levels = new Map<number, Known>()
  /**
   * Number of changes of each level. If a level changes while the client lists it, the client does
   * not remember the listing.
   */
  readonly #changes = new Map<number, number>()

  constructor(client: ReplicaClient, { most = MAX_KNOWN, now = Date.now }: KnownLevelsOptions = {}) {
    super(client)
    this.#most = most
    this.#now = now
  }

  /** Lists several levels in the store with one request, and remembers each level. */
  override get listUpwards(): ReplicaClient['listUpwards'] {
    return this.inner.listUpwards && ((level, options) => this.#listUpwards(level, options))
  }

  /** Called after this client has changed the replica or forgotten a level. */
  onChange: (() => void) | undefined

  /**
   * Forgets the files of every level, so that the next listing of each level requests the files
   * from the store.
   */
  forget(): void {
    for (const level of this.#levels.keys()) this.#forgetLevel(level)
  }

  /**
   * Lists every level in the store, and remembers the files of every level. Returns the files that
   * other programs changed, because they are missing although this client did not delete them, or
   * because their size differs from the remembered size.
   */
  async relist(options: RequestOptions = {}): Promise<Relisting> {
    const before = new Map([...this.#levels].map(([level, { files }]) => [level, [...files]]))
    const changes = new Map(this.#changes)
    const levels = await listTogether(this.inner, 0, options)
    const gone: LtxFileInfo[] = []
    const changed: LtxFileInfo[] = []
    let kept = 0
    for (const [level, listed] of levels.entries()) {
      // Files of this level were written or deleted during the listing, so the listing may be
      // incomplete.
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

  override async *list(level: number, options: ListOptions = {}): AsyncIterable<LtxFileInfo> {
    const { fromTxid = 0 } = options
    const known = this.#levels.get(level)
    if (known && known.from <= fromTxid) {
      yield* known.files.slice(indexOf(known.files, { level, minTxid: fromTxid, maxTxid: 0 }))
      return
    }
    const changes = this.#changes.get(level)
    const files: LtxFileInfo[] = []
    for await (const file of this.inner.list(level, options)) files.push(file)
    this.#remember(level, files, fromTxid, changes)
    yield* files
  }

  async *#listUpwards(level: number, options: ListOptions = {}): AsyncIterable<LtxFileInfo> {
    const { fromTxid = 0 } = options
    const changes = new Map(this.#changes)
    const levels = new Map<number, LtxFileInfo[]>(LEVELS.filter((each) => each >= level).map((each) => [each, []]))
    for await (const file of this.inner.listUpwards!(level, options)) levels.get(file.level)!.push(file)
    for (const [each, files] of levels) {
      this.#remember(each, files, each === level ? fromTxid : 0, changes.get(each))
      yield* files
    }
  }

  /**
   * Remembers a listing of a level. `changes` is the change counter of the level before the
   * listing.
   */
  #remember(level: number, files: readonly LtxFileInfo[], from: number, changes: number | undefined): void {
    if (this.#changes.get(level) !== changes) return
    const listed = { files: [...files], from }
    this.#trim(listed)
    this.#levels.set(level, listed)
  }

  override async write(
    file: LtxFileRef,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options: WriteOptions,
  ): Promise<LtxFileInfo> {
    const { level } = file
    try {
      const written = await this.inner.write(file, body, options)
      this.#changed(level)
      // A later listing reports the time at which the store wrote the object. If the store is a
      // local folder, the listing reports the timestamp of the LTX file, which is not later.
      this.#add({ ...written, createdAt: Math.max(written.createdAt, this.#now()) })
      return written
    } catch (error) {
      // Although the write failed, the LTX file may exist in the store.
      this.#forgetLevel(level)
      throw error
    }
  }

  override async delete(files: readonly LtxFileRef[], options?: RequestOptions): Promise<void> {
    const levels = new Set(files.map(({ level }) => level))
    try {
      await this.inner.delete(files, options)
    } catch (error) {
      for (const level of levels) this.#forgetLevel(level)
      throw error
    }
    for (const level of levels) this.#changed(level)
    for (const file of files) this.#remove(file)
  }

  override read(file: LtxFileRef, range: ByteRange, options?: ReadOptions): Promise<ReadResult> {
    return this.#noticing(file.level, () => this.inner.read(file, range, options))
  }

  override async *stream(
    file: LtxFileRef,
    options?: RequestOptions & { readonly offset?: number },
  ): AsyncIterable<Uint8Array> {
    try {
      yield* this.inner.stream(file, options)
    } catch (error) {
      this.#notice(file.level, error)
      throw error
    }
  }

  override stat(file: LtxFileRef, options?: RequestOptions): Promise<LtxFileInfo> {
    return this.#noticing(file.level, () => this.inner.stat(file, options))
  }

  async #noticing<T>(level: number, act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      this.#notice(level, error)
      throw error
    }
  }

  /** Forgets a level if a remembered file was not found in the store. */
  #notice(level: number, error: unknown): void {
    if (isLitestreamError(error, 'NOT_FOUND')) this.#forgetLevel(level)
  }

  #changed(level: number): void {
    this.#changes.set(level, (this.#changes.get(level) ?? 0) + 1)
    this.onChange?.()
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
    // The file before the first remaining file may have the same min TXID.
    known.from = known.files[0]!.minTxid + 1
  }
}

/** Returns the index of `file`, or the index at which `file` must be inserted. */
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
