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
 * Maximum number of files remembered per level, about 100 bytes each; of a longer level the newest.
 */
const MAX_KNOWN = 20_000

export interface KnownLevelsOptions {
  /** Maximum number of files remembered per level. */
  readonly most?: number
  /** The clock, milliseconds since the epoch. */
  readonly now?: () => number
}

/** A listing of all levels, and the changes that other programs made. */
export interface Relisting {
  readonly levels: FilesByLevel
  /** Number of known files that are still listed unchanged. */
  readonly kept: number
  readonly gone: readonly LtxFileInfo[]
  /** The changed files as they are listed now. */
  readonly changed: readonly LtxFileInfo[]
}

/**
 * The known part of one level: every file whose min TXID is at least `from`, in the order of a
 * listing.
 */
interface Known {
  readonly files: LtxFileInfo[]
  from: number
}

/**
 * A replica of which this process is the only writer. Each level is listed once; from then on the
 * files written and deleted through this client are tracked, so that an idle primary sends no
 * request to the store. After an error, after a file turns out to be missing, and after `forget`, a
 * level is listed again. Callers must call `forget` before they delete files permanently.
 */
export class KnownLevels extends ForwardingClient {
  readonly #most: number
  readonly #now: () => number
  readonly #levels = new Map<number, Known>()
  /**
   * Number of changes of each level. A listing during which this number changed is not remembered.
   */
  readonly #changes = new Map<number, number>()

  constructor(client: ReplicaClient, { most = MAX_KNOWN, now = Date.now }: KnownLevelsOptions = {}) {
    super(client)
    this.#most = most
    this.#now = now
  }

  /** Lists from the store, and remembers every level in the listing. */
  override get listUpwards(): ReplicaClient['listUpwards'] {
    return this.inner.listUpwards && ((level, options) => this.#listUpwards(level, options))
  }

  /** Called after each change of the replica through this client, and when a level was forgotten. */
  onChange: (() => void) | undefined

  /** Makes the next listing of every level ask the store. */
  forget(): void {
    for (const level of this.#levels.keys()) this.#forgetLevel(level)
  }

  /**
   * Lists every level of the store again and remembers it. Returns the changes that another program
   * made since: files that are missing although this client did not delete them, and files with
   * another size than was written.
   */
  async relist(options: RequestOptions = {}): Promise<Relisting> {
    const before = new Map([...this.#levels].map(([level, { files }]) => [level, [...files]]))
    const changes = new Map(this.#changes)
    const levels = await listTogether(this.inner, 0, options)
    const gone: LtxFileInfo[] = []
    const changed: LtxFileInfo[] = []
    let kept = 0
    for (const [level, listed] of levels.entries()) {
      // The listing may or may not contain files written or deleted while it was made.
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

  /** `changes`: the counter of this level before the listing. */
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
      // Listings report the time at which an object was written; a file system reports the file's
      // timestamp, which is not later.
      this.#add({ ...written, createdAt: Math.max(written.createdAt, this.#now()) })
      return written
    } catch (error) {
      // The file may exist in spite of the error.
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

  /** Forgets a level with a missing file that this client did not delete. */
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
    // The file before the first remaining one may begin at the same TXID.
    known.from = known.files[0]!.minTxid + 1
  }
}

/** The index of `file`, or the index at which it would be inserted. */
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
