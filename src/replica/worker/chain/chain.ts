import PQueue from 'p-queue'
import { isLitestreamError, type LitestreamError } from '../../../errors.js'
import { fileContent } from '../../../levels/file-identity.js'
import { listForLatest } from '../../../levels/latest-listing.js'
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
import { FileTable } from './file-ordinals.js'
import { mergePages } from './page-lists.js'
import type { PageMap } from './page-map.js'
import { PageMapBuilder } from './page-map-builder.js'

/** The database at one TXID, as read from the store's files. */
export interface ChainState {
  readonly txid: number
  /** Ms since the epoch, from the header of the newest file. */
  readonly timestamp: number
  readonly pageSize: number
  /** Size of the database in pages. */
  readonly commit: number
  /** The largest size in pages that the database had up to this state. */
  readonly peak: number
  readonly map: PageMap
  /** The newest file; while it exists, the replica has not been reset. */
  readonly anchor: LtxFileInfo
  /** Header and checksum of the newest file, to compare with the next file. */
  readonly newest: PlannedFile
}

/** A state, and the files read for it. */
export interface LoadedState {
  readonly state: ChainState
  readonly files: readonly FileIndex[]
}

export interface Extension {
  readonly state: ChainState
  readonly files: readonly FileIndex[]
  /** Every page that differs from the state before, ascending. */
  readonly changed: Uint32Array
  /**
   * Whether one of the files holds the whole database, which may then differ completely from the
   * one before.
   */
  readonly whole: boolean
}

/** Page size in bytes until the first commit sets it. SQLite's default. */
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
 * Number of indexes read in parallel, equal to the connections of an S3 client: open files and
 * sockets are limited.
 */
const INDEXES_AT_ONCE = 128
/**
 * Bytes of files kept because they were read together with the indexes, for the pages in them; of
 * further files only the indexes are kept.
 */
const PIECE_BYTES = 32 * 1024 * 1024

/**
 * Makes page maps from the files of a replica: first from a plan, then from each extension of it.
 */
export class Chain {
  readonly files: FileTable
  /** Files that this process wrote: their times and versions are not known from a listing. */
  readonly written = new WeakSet<LtxFileInfo>()
  readonly #client: ReplicaClient
  readonly #signal: AbortSignal
  readonly #onDamaged: (error: LitestreamError) => void
  /** Files whose page indexes are wrong (`fileContent`). */
  readonly #distrusted = new Set<string>()

  /** `onDamaged`: called for a damaged file when the state is made from other files. */
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

  /** Excludes a file with a wrong page index from all later states. */
  distrust(file: LtxFileInfo): void {
    this.#distrusted.add(fileContent(file))
  }

  /**
   * The state at a target: lists every level in parallel, then reads every file's index in
   * parallel.
   */
  async load(target: PlanTarget = {}): Promise<ChainState> {
    return (await this.loadFiles(target)).state
  }

  /**
   * The state at a target, with the files read for it. Throws LTX_CORRUPT if only damaged files
   * reach the target.
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
        // The gap may exist only in the shortened listing.
      }
    }
    return planRestore(this.#client, { ...target, signal: this.#signal, without })
  }

  /**
   * The state that the listed files reach, without damaged ones; undefined if they do not reach the
   * target.
   */
  async loadListed(files: FilesByLevel, target: PlanTarget): Promise<ChainState | undefined> {
    const plan = async (without: ReadonlySet<string>) => selectPlan(withoutFiles(files, without), target)
    if ((await plan(this.#distrusted)).length === 0) return undefined
    const use = (chosen: readonly LtxFileInfo[], fresh: boolean) => this.#index(chosen, fresh)
    return (await this.#around(plan, use, { maxVanished: 0 })).state
  }

  /**
   * Uses a plan, or one without the damaged files; before that, a damaged response is requested
   * again once.
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

  /** The state of a replica without files; a connection that writes may create the first one. */
  emptyState(): ChainState {
    const anchor: LtxFileInfo = { level: 0, minTxid: 0, maxTxid: 0, size: 0, createdAt: 0 }
    const newest = { header: EMPTY_HEADER, label: this.url, postApplyChecksum: 0n }
    const map = new PageMapBuilder().build()
    return { txid: 0, timestamp: 0, pageSize: EMPTY_PAGE_SIZE, commit: 0, peak: 0, map, anchor, newest }
  }

  /**
   * The state of a replica whose first file this process has written. `from`: the reader for the
   * file.
   */
  first(file: LtxFileInfo, from: FileReader): Promise<LoadedState> {
    this.written.add(file)
    return this.#index([file], false, {}, from)
  }

  /**
   * The state after a file that this process has written. `from`: the reader for the file; files up
   * to `whole` bytes are read at once.
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
    const files = await this.#readIndexes(plan, { fresh }, from)
    const check = new PlanCheck(target)
    const breather = new Breather()
    let builder = new PageMapBuilder()
    for (const file of files) {
      const before = check.last
      const { peak, begins } = check.add(file)
      // VACUUM changed the page size: if this file has the whole database, all earlier pages are
      // discarded.
      if (begins) builder = new PageMapBuilder()
      builder.resize(file.header.commit)
      try {
        await file.mapInto(builder.target(this.files.ordinal(file.info), peak), breather)
      } catch (error) {
        throw begins && before && isLitestreamError(error, 'LTX_CORRUPT') ? otherPageSize(before, file) : error
      }
    }
    return { state: stateAfter(files, builder.build(), check.peak), files }
  }

  /**
   * The state after the files that are contiguous with `from` or overlap its end. `plan` chooses
   * the files, without damaged ones. Files up to `wholeUpTo` bytes are read whole. Throws
   * PAGE_SIZE_MISMATCH.
   */
  extend(
    from: ChainState,
    plan: (without: ReadonlySet<string>) => Promise<LtxFileInfo[]>,
    wholeUpTo?: number,
  ): Promise<Extension> {
    const use = (chosen: readonly LtxFileInfo[], fresh: boolean) =>
      this.#extend(from, chosen, { fresh, whole: wholeUpTo })
    // A missing file means that the caller's listing is outdated.
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
   * Reads the indexes in the order of the plan, which may have thousands of files if nothing
   * compacts them.
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
    const queue = new PQueue({ concurrency: INDEXES_AT_ONCE })
    try {
      return await queue.addAll(plan.map((file) => () => load(file)))
    } finally {
      queue.clear() // after a failure, the remaining reads are not needed
    }
  }

  /** The numbers of the pages in a file, ascending, and the size of the database after it. */
  async pagesOf(file: LtxFileInfo): Promise<{ readonly changed: Uint32Array; readonly commit: number }> {
    const index = await loadFileIndex(this.#client, file, { signal: this.#signal })
    return { changed: index.decode().pgnos, commit: index.header.commit }
  }

  /**
   * Whether the file exists in the store, whatever a listing says. `timestamp`: the time in its
   * header, if known.
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

  /** The files of one level from a TXID on. */
  async list(level: number, fromTxid: number): Promise<LtxFileInfo[]> {
    const files: LtxFileInfo[] = []
    for await (const file of this.#client.list(level, { fromTxid, signal: this.#signal })) files.push(file)
    return files
  }

  /** The files of level 1 from a TXID on, and all files of the levels above. */
  async listCompacted(fromTxid: number): Promise<LtxFileInfo[]> {
    return (await listTogether(this.#client, 1, { fromTxid, signal: this.#signal })).flat()
  }

  async listAll(): Promise<LtxFileInfo[][]> {
    return listLevels(this.#client, this.#signal)
  }
}

/** The state whose newest file is the last of `files`, and whose pages are in `map`. */
function stateAfter(files: readonly FileIndex[], map: PageMap, peak: number): ChainState {
  const { header, info, label, postApplyChecksum } = files[files.length - 1]
  const { timestamp, pageSize, commit } = header
  const newest = { header, label, postApplyChecksum }
  return { txid: info.maxTxid, timestamp, pageSize, commit, peak, map, anchor: info, newest }
}

/**
 * The files that continue from `txid`, at each step the one that reaches farthest; overlaps are
 * allowed, the newest page counts.
 */
export function selectExtension(files: FilesByLevel, txid: number): LtxFileInfo[] {
  // A placeholder snapshot at `txid` is the planner's start; the result does not contain it.
  const base: LtxFileInfo = { level: 9, minTxid: 1, maxTxid: txid, size: 0, createdAt: 0 }
  return selectPlan(LEVELS.map((level) => (level === 9 ? [base] : (files[level] ?? [])))).slice(1)
}

/** The largest max TXID of any listed file. */
export function farthestTxid(files: FilesByLevel): number {
  return files.flat().reduce((farthest, file) => Math.max(farthest, file.maxTxid), 0)
}

/** `Page 7 of TXID 000000000000002a`. */
export function pageLabel(pgno: number, txid: number): string {
  return `page ${pgno} of TXID ${formatTxid(txid)}`
}
