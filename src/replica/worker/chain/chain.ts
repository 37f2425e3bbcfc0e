import { isLitestreamError, type LitestreamError } from '../../../errors.js'
import { fileContent } from '../../../levels/file-identity.js'
import { INDEX_CACHE_SIZE, IndexBlockCache } from '../../../levels/index-block-cache.js'
import { listForLatest } from '../../../levels/latest-listing.js'
import type { UnreadIndex } from '../../../levels/paged-index.js'
import {
  type FilesByLevel,
  listLevels,
  listTogether,
  type PlanTarget,
  planRestore,
  selectPlan,
  withoutFiles,
} from '../../../levels/plan.js'
import { type PlanAroundOptions, planAround } from '../../../levels/plan-around.js'
import { otherPageSize, PlanCheck, type PlannedFile } from '../../../levels/plan-check.js'
import { type FileIndex, type FileReader, type LoadIndexOptions, loadFileIndex } from '../../../levels/remote-index.js'
import { FLAG_NO_CHECKSUM, LEVELS, snapshotPageCount } from '../../../ltx/format.js'
import type { LtxHeader } from '../../../ltx/header.js'
import { formatTxid } from '../../../ltx/txid.js'
import { isSameFile } from '../../../storage/object-identity.js'
import type { LtxFileInfo, ReplicaClient } from '../../../storage/replica-client.js'
import { Breather } from '../../../util/breather.js'
import { TaskQueue } from '../../../util/task-queue.js'
import { FileTable } from './file-ordinals.js'
import { mergePages } from './page-lists.js'
import type { MapBase, PageMap } from './page-map.js'
import { PageMapBuilder } from './page-map-builder.js'

/** The database at one TXID. The worker has read this state from the files in the store. */
export interface ChainState {
  readonly txid: number
  /** Time in the header of the newest file, in milliseconds since the epoch. */
  readonly timestamp: number
  readonly pageSize: number
  /** Size of the database in pages. */
  readonly commit: number
  /** The largest size that the database had up to this TXID, in pages. */
  readonly peak: number
  readonly map: PageMap
  /**
   * The newest file of this state. While the newest file of a state exists in the store, the
   * replica has not been reset.
   */
  readonly anchor: LtxFileInfo
  /** Header and checksum of the newest file. The next file is compared with them. */
  readonly newest: PlannedFile
}

/** A state of the database, and the files that the worker read for this state. */
export interface LoadedState {
  readonly state: ChainState
  readonly files: readonly FileIndex[]
}

export interface Extension {
  readonly state: ChainState
  readonly files: readonly FileIndex[]
  /** The numbers of all pages that differ from the previous state, in ascending order. */
  readonly changed: Uint32Array
  /**
   * Whether one of the new files holds the whole database, so that every page may differ from the
   * previous state.
   */
  readonly whole: boolean
}

/** Page size in bytes before the first commit sets the page size. SQLite has the same default. */
const EMPTY_PAGE_SIZE = 4096
/** A placeholder header for a replica without files. */
const EMPTY_HEADER: LtxHeader = {
  flags: FLAG_NO_CHECKSUM,
  pageSize: EMPTY_PAGE_SIZE,
  commit: 0,
  minTxid: 0,
  maxTxid: 0,
  timestamp: 0,
  preApplyChecksum: 0n,
  walOffset: 0,
  walSize: 0,
  walSalt1: 0,
  walSalt2: 0,
  nodeId: 0n,
}

/**
 * Number of page indexes that are read in parallel. INDEXES_AT_ONCE equals the number of
 * connections of an S3 client. INDEXES_AT_ONCE limits the number of open files and sockets.
 */
const INDEXES_AT_ONCE = 128
/**
 * Maximum bytes of file contents that are kept in memory after they were read together with the
 * page indexes. After PIECE_BYTES of file contents, the chain keeps only the page indexes of
 * further files.
 */
const PIECE_BYTES = 32 * 1024 * 1024

/**
 * Makes page maps from the files of a replica. A plan determines the first page map. Each later
 * page map extends the previous page map.
 */
export class Chain {
  readonly files: FileTable
  /**
   * Files that this process wrote. The worker has not listed these files, so it does not know their
   * times and versions.
   */
  readonly written = new WeakSet<LtxFileInfo>()
  readonly #client: ReplicaClient
  readonly #signal: AbortSignal
  readonly #onDamaged: (error: LitestreamError) => void
  /** Files whose page indexes are wrong (`fileContent`). */
  readonly #distrusted = new Set<string>()
  readonly #blocks = new IndexBlockCache(INDEX_CACHE_SIZE)

  /** `onDamaged` is called for a damaged file when the state is made from other files. */
  constructor(
    client: ReplicaClient,
    signal: AbortSignal,
    onDamaged: (error: LitestreamError) => void = () => undefined,
    files = new FileTable(),
  ) {
    this.#client = client
    this.#signal = signal
    this.#onDamaged = onDamaged
    this.files = files
  }

  get url(): string {
    return this.#client.url
  }

  /** Memory in bytes of the decoded blocks of page indexes that are read in blocks. */
  get indexCacheSize(): number {
    return this.#blocks.size
  }

  /** Excludes a file with a wrong page index from all later states. */
  distrust(file: LtxFileInfo): void {
    this.#distrusted.add(fileContent(file))
  }

  /**
   * Returns the state at a target. `load` lists all levels in parallel, and then reads the page
   * indexes of all files in parallel.
   */
  async load(target: PlanTarget = {}): Promise<ChainState> {
    return (await this.loadFiles(target)).state
  }

  /**
   * Returns the state at a target, and the files that were read for this state. Throws LTX_CORRUPT
   * if the target can be reached only with damaged files.
   */
  loadFiles(target: PlanTarget = {}): Promise<LoadedState> {
    return this.#around(
      (without) => this.#plan(target, without),
      (plan, fresh) => this.#index(plan, fresh, target),
    )
  }

  async #plan(target: PlanTarget, without: ReadonlySet<string>): Promise<LtxFileInfo[]> {
    if (target.txid === undefined && target.timestamp === undefined && without.size === 0) {
      const files = await listForLatest(this.#client, this.#signal)
      try {
        const plan = selectPlan(files)
        if (plan.length > 0) return plan
      } catch (error) {
        if (!isLitestreamError(error, 'LTX_GAP')) throw error
        // The first listing does not contain all files, and the gap may exist only in this listing.
        // The next listing therefore contains all levels.
      }
    }
    return planRestore(this.#client, { ...target, signal: this.#signal, without })
  }

  /**
   * Returns the state that the undamaged listed files reach. Returns undefined if these files do
   * not reach the target.
   */
  async loadListed(files: FilesByLevel, target: PlanTarget): Promise<ChainState | undefined> {
    const plan = async (without: ReadonlySet<string>) => selectPlan(withoutFiles(files, without), target)
    if ((await plan(this.#distrusted)).length === 0) return undefined
    const use = (chosen: readonly LtxFileInfo[], fresh: boolean) => this.#index(chosen, fresh)
    return (await this.#around(plan, use, { maxVanished: 0 })).state
  }

  /**
   * Calls `use` with a plan. If `use` finds a damaged file, calls `use` once more with new
   * responses of the store. If the file is still damaged, calls `use` with a plan without this
   * file.
   */
  #around<T>(
    plan: (without: ReadonlySet<string>) => Promise<LtxFileInfo[]>,
    use: (plan: LtxFileInfo[], fresh: boolean) => Promise<T>,
    options: Pick<PlanAroundOptions<T>, 'maxVanished'> = {},
  ): Promise<T> {
    return planAround({
      plan: (without) => plan(this.#distrusted.size === 0 ? without : new Set([...this.#distrusted, ...without])),
      use: (chosen) =>
        use(chosen, false).catch((error: unknown) => {
          if (!isLitestreamError(error, 'LTX_CORRUPT')) throw error
          return use(chosen, true)
        }),
      onDamaged: this.#onDamaged,
      ...options,
    })
  }

  /**
   * Returns the state of a replica without files. A connection that writes may create the first
   * file.
   */
  emptyState(): ChainState {
    const anchor: LtxFileInfo = { level: 0, minTxid: 0, maxTxid: 0, size: 0, createdAt: 0 }
    const newest = { header: EMPTY_HEADER, label: this.url, postApplyChecksum: 0n }
    const map = new PageMapBuilder().build()
    return { txid: 0, timestamp: 0, pageSize: EMPTY_PAGE_SIZE, commit: 0, peak: 0, map, anchor, newest }
  }

  /**
   * Returns the state of a replica whose first file this process has written. `from` reads the
   * content of the first file.
   */
  first(file: LtxFileInfo, from: FileReader): Promise<LoadedState> {
    this.written.add(file)
    return this.#index([file], false, {}, from)
  }

  /**
   * Returns the state after a new file that this process has written. `from` reads the content of
   * `file`. A file of up to `whole` bytes is read in one request.
   */
  append(state: ChainState, file: LtxFileInfo, from: FileReader, whole?: number): Promise<Extension> {
    this.written.add(file)
    return this.#extend(state, [file], { whole }, from)
  }

  async #index(
    plan: readonly LtxFileInfo[],
    fresh: boolean,
    target?: PlanTarget,
    from?: FileReader,
  ): Promise<LoadedState> {
    const files = await this.#readIndexes(plan, { fresh, paged: from === undefined }, from)
    const check = new PlanCheck(target)
    const breather = new Breather()
    let builder = new PageMapBuilder()
    for (const file of files) {
      const before = check.last
      const { peak, begins } = check.add(file)
      // VACUUM may have changed the page size. If a file with another page size has the whole
      // database, all earlier pages are discarded.
      if (begins) builder = new PageMapBuilder()
      builder.resize(file.header.commit)
      if (file.unread) {
        // A snapshot has all pages, so it replaces the pages of all earlier files.
        builder = new PageMapBuilder()
        builder.resize(file.header.commit)
        builder.setBase(await this.#base(file.unread))
        continue
      }
      try {
        await file.mapInto(builder.target(this.files.ordinal(file.info), peak), breather)
      } catch (error) {
        throw begins && before && isLitestreamError(error, 'LTX_CORRUPT') ? otherPageSize(before, file) : error
      }
    }
    return { state: stateAfter(files, builder.build(), check.peak), files }
  }

  /** Returns the base of a page map. States with the same snapshot share its page index. */
  async #base(unread: UnreadIndex): Promise<MapBase> {
    const { PagedIndex } = await import('../../../levels/paged-index.js')
    const file = this.files.ordinal(unread.info)
    let index = this.files.pagedIndex(file)
    if (!index) {
      index = new PagedIndex(this.#client, unread, this.#blocks, { signal: this.#signal })
      this.files.setPagedIndex(file, index)
    }
    const { commit, pageSize } = unread.header
    return { file, index, pageSize, last: commit }
  }

  /**
   * Returns the state after the files that continue or overlap `from`. `plan` chooses the new
   * files, and chooses no damaged file. New files of up to `wholeUpTo` bytes are read whole. Throws
   * PAGE_SIZE_MISMATCH.
   */
  extend(
    from: ChainState,
    plan: (without: ReadonlySet<string>) => Promise<LtxFileInfo[]>,
    wholeUpTo?: number,
  ): Promise<Extension> {
    const use = (chosen: readonly LtxFileInfo[], fresh: boolean) =>
      this.#extend(from, chosen, { fresh, whole: wholeUpTo })
    // `maxVanished` is 0, because a missing file means that the caller's listing is outdated.
    return this.#around(plan, use, { maxVanished: 0 })
  }

  async #extend(
    from: ChainState,
    plan: readonly LtxFileInfo[],
    options: LoadIndexOptions,
    reader?: FileReader,
  ): Promise<Extension> {
    const files = await this.#readIndexes(plan, options, reader)
    const check = new PlanCheck({}, from.newest, from.peak)
    const breather = new Breather()
    const builder = new PageMapBuilder(from.map)
    const changed: Uint32Array[] = []
    let whole = false
    for (const file of files) {
      const { commit, pageSize } = file.header
      if (pageSize !== from.pageSize) throw otherPageSize(from.newest, file)
      const { peak } = check.add(file)
      builder.resize(commit)
      let count = 0
      await file.mapInto(builder.target(this.files.ordinal(file.info), peak), breather, (pgnos) => {
        changed.push(pgnos)
        count += pgnos.length
      })
      whole ||= count === snapshotPageCount(commit, pageSize)
    }
    return {
      state: stateAfter(files, builder.build(), check.peak),
      files,
      changed: mergePages(changed, check.peak),
      whole,
    }
  }

  /**
   * Reads the page indexes in the order of the plan. If no process compacts the replica, a plan may
   * have thousands of files.
   */
  async #readIndexes(
    plan: readonly LtxFileInfo[],
    options: LoadIndexOptions,
    from: FileReader = this.#client,
  ): Promise<FileIndex[]> {
    let kept = 0
    const load = async (file: LtxFileInfo) => {
      const index = await loadFileIndex(from, file, { signal: this.#signal, ...options })
      kept += index.pieceBytes
      return kept <= PIECE_BYTES ? index : index.withoutPieces()
    }
    const queue = new TaskQueue(INDEXES_AT_ONCE)
    try {
      return await Promise.all(plan.map((file) => queue.add(() => load(file))))
    } finally {
      queue.clear() // if a read has failed, the remaining reads are not needed
    }
  }

  /**
   * Returns the page numbers in a file in ascending order, and the database size in pages after the
   * file.
   */
  async pagesOf(file: LtxFileInfo): Promise<{ readonly changed: Uint32Array; readonly commit: number }> {
    const index = await loadFileIndex(this.#client, file, { signal: this.#signal })
    return { changed: index.decode().pgnos, commit: index.header.commit }
  }

  /**
   * Returns whether the file exists in the store, even if a listing omits the file. `timestamp` is
   * the time in the header of the file, if the caller knows that time.
   */
  async stands(file: LtxFileInfo, timestamp?: number): Promise<boolean> {
    try {
      const found = await this.#client.stat(file, { signal: this.#signal })
      return isSameFile(file, found) && (timestamp === undefined || found.createdAt === timestamp)
    } catch (error) {
      if (isLitestreamError(error, 'NOT_FOUND')) return false
      throw error
    }
  }

  /** Returns the files of one level that begin at or after the TXID `fromTxid`. */
  async list(level: number, fromTxid: number): Promise<LtxFileInfo[]> {
    const files: LtxFileInfo[] = []
    for await (const file of this.#client.list(level, { fromTxid, signal: this.#signal })) files.push(file)
    return files
  }

  /**
   * Returns the files of level 1 that begin at or after `fromTxid`, and all files of higher levels.
   */
  async listCompacted(fromTxid: number): Promise<LtxFileInfo[]> {
    return (await listTogether(this.#client, 1, { fromTxid, signal: this.#signal })).flat()
  }

  async listAll(): Promise<LtxFileInfo[][]> {
    return listLevels(this.#client, this.#signal)
  }
}

/**
 * Returns a state. The newest file of the state is the last of `files`, and `map` has the page
 * positions of the state.
 */
function stateAfter(files: readonly FileIndex[], map: PageMap, peak: number): ChainState {
  const { header, info, label, postApplyChecksum } = files[files.length - 1]
  const { timestamp, pageSize, commit } = header
  const newest = { header, label, postApplyChecksum }
  return { txid: info.maxTxid, timestamp, pageSize, commit, peak, map, anchor: info, newest }
}

/**
 * Selects the files that continue from `txid`. Each step considers all files that continue the file
 * selected last. The step selects the file with the highest max TXID. Selected files may overlap,
 * because the newest version of a page takes precedence.
 */
export function selectExtension(files: FilesByLevel, txid: number): LtxFileInfo[] {
  // The planner needs a snapshot at `txid` as its start. `selectExtension` adds a placeholder for
  // the snapshot, and removes the placeholder from the result.
  const base: LtxFileInfo = { level: 9, minTxid: 1, maxTxid: txid, size: 0, createdAt: 0 }
  return selectPlan(LEVELS.map((level) => (level === 9 ? [base] : (files[level] ?? [])))).slice(1)
}

/** Returns the highest max TXID of all listed files. */
export function farthestTxid(files: FilesByLevel): number {
  return files.flat().reduce((farthest, file) => Math.max(farthest, file.maxTxid), 0)
}

/** Returns a text such as `page 7 of TXID 000000000000002a`. */
export function pageLabel(pgno: number, txid: number): string {
  return `page ${pgno} of TXID ${formatTxid(txid)}`
}
