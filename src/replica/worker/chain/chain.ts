import PQueue from 'p-queue'
import { isLitestreamError, type LitestreamError } from '../../../errors.js'
import { fileContent } from '../../../levels/file-label.js'
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

/** The database at one TXID, as the store's files make it. */
export interface ChainState {
  readonly txid: number
  /** Ms since the epoch, from the header of the newest file. */
  readonly timestamp: number
  readonly pageSize: number
  /** Pages. */
  readonly commit: number
  /** The largest size in pages that the database has had on the way here. */
  readonly peak: number
  readonly map: PageMap
  /** The newest file: the one that shows, by still existing, that the replica is the one we know. */
  readonly anchor: LtxFileInfo
  /** What the newest file says, for the comparison with the file after it. */
  readonly newest: PlannedFile
}

/** A state and what was read on the way to it. */
export interface LoadedState {
  readonly state: ChainState
  readonly files: readonly FileIndex[]
}

export interface Extension {
  readonly state: ChainState
  readonly files: readonly FileIndex[]
  /** Every page that differs from the state before, ascending. */
  readonly changed: Uint32Array
  /** Whether one of the files holds the whole database: it may be another one than before. */
  readonly whole: boolean
}

/** Bytes; until the first commit decides. SQLite's default. */
const EMPTY_PAGE_SIZE = 4096
/** The header of no file. */
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

/** Files whose indexes are read at once, as many as an S3 client has connections: open files and sockets are limited. */
const INDEXES_AT_ONCE = 128
/** Bytes of files that are kept when they came along with their indexes, for the pages in them; of further files only the indexes. */
const PIECE_BYTES = 32 * 1024 * 1024

/** Turns the files of a replica into page maps: from a plan, and onwards from there. */
export class Chain {
  readonly files: FileTable
  /** Files that this process wrote: no listing has reported their times and versions. */
  readonly written = new WeakSet<LtxFileInfo>()
  readonly #client: ReplicaClient
  readonly #signal: AbortSignal
  readonly #onDamaged: (error: LitestreamError) => void
  /** Files whose page indexes turned out to be wrong (`fileContent`). */
  readonly #distrusted = new Set<string>()

  /** `onDamaged`: a file is damaged, and the state is made of others. */
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

  /** The page index of a file turned out to be wrong: no state is made of it any more. */
  distrust(file: LtxFileInfo): void {
    this.#distrusted.add(fileContent(file))
  }

  /** The state at a target. One LIST of every level at once, then every file's index at once. */
  async load(target: PlanTarget = {}): Promise<ChainState> {
    return (await this.loadFiles(target)).state
  }

  /** The same, with what was read of the files. Throws LTX_CORRUPT if only damaged files lead to the target. */
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
        // Perhaps only the shortened listing has the gap.
      }
    }
    return planRestore(this.#client, { ...target, signal: this.#signal, without })
  }

  /** The state that these files lead to, of which damaged ones are left out; undefined if they do not lead to the target. */
  async loadListed(files: FilesByLevel, target: PlanTarget): Promise<ChainState | undefined> {
    const plan = async (without: ReadonlySet<string>) => selectPlan(withoutFiles(files, without), target)
    if ((await plan(this.#distrusted)).length === 0) return undefined
    const use = (chosen: readonly LtxFileInfo[], fresh: boolean) => this.#index(chosen, fresh)
    return (await this.#around(plan, use, { maxVanished: 0 })).state
  }

  /** What a plan leads to, or one without the files that turn out to be damaged; a damaged reply is asked for once more before. */
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

  /** A replica without files, of which a connection that writes may create the first. */
  emptyState(): ChainState {
    const anchor: LtxFileInfo = { level: 0, minTxid: 0, maxTxid: 0, size: 0, createdAt: 0 }
    const newest = { header: EMPTY_HEADER, label: this.url, postApplyChecksum: 0n }
    const map = new PageMapBuilder().build()
    return { txid: 0, timestamp: 0, pageSize: EMPTY_PAGE_SIZE, commit: 0, peak: 0, map, anchor, newest }
  }

  /** The state of a replica whose first file this process has written; `from`: where the file is read. */
  first(file: LtxFileInfo, from: FileReader): Promise<LoadedState> {
    this.written.add(file)
    return this.#index([file], false, {}, from)
  }

  /** The state after a file that this process has written; `from`: where the file is read, of `whole` bytes at once. */
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
      // VACUUM gave the database another page size: what came before is of no use, if this file has all of it.
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
   * The state after the files that follow on `from`, or overlap its end. `plan` chooses them, without those that are damaged. Of files
   * up to `wholeUpTo` bytes all is read. Throws PAGE_SIZE_MISMATCH.
   */
  extend(
    from: ChainState,
    plan: (without: ReadonlySet<string>) => Promise<LtxFileInfo[]>,
    wholeUpTo?: number,
  ): Promise<Extension> {
    const use = (chosen: readonly LtxFileInfo[], fresh: boolean) =>
      this.#extend(from, chosen, { fresh, whole: wholeUpTo })
    // A file that vanished says that the listing is old, which the caller has made.
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

  /** In the order of the plan, which may be of thousands of files where nothing compacts them. */
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
      queue.clear() // after a failure nobody wants the rest
    }
  }

  /** The numbers of the pages that a file has, ascending, and how many the database has after it. */
  async pagesOf(file: LtxFileInfo): Promise<{ readonly changed: Uint32Array; readonly commit: number }> {
    const index = await loadFileIndex(this.#client, file, { signal: this.#signal })
    return { changed: index.decode().pgnos, commit: index.header.commit }
  }

  /** Whether the file is in the store, whatever a listing says; `timestamp`: of its header, if that is known. */
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

/** What the newest file says of the database that `map` describes. */
function stateAfter(files: readonly FileIndex[], map: PageMap, peak: number): ChainState {
  const { header, info, label, postApplyChecksum } = files[files.length - 1]
  const { timestamp, pageSize, commit } = header
  const newest = { header, label, postApplyChecksum }
  return { txid: info.maxTxid, timestamp, pageSize, commit, peak, map, anchor: info, newest }
}

/** The files that lead on from `txid`, farthest first at each step; overlapping is fine, the newest page wins. */
export function selectExtension(files: FilesByLevel, txid: number): LtxFileInfo[] {
  // A made-up snapshot at `txid` gives the planner its start; it is not part of the answer.
  const base: LtxFileInfo = { level: 9, minTxid: 1, maxTxid: txid, size: 0, createdAt: 0 }
  return selectPlan(LEVELS.map((level) => (level === 9 ? [base] : (files[level] ?? [])))).slice(1)
}

/** The farthest TXID that any listed file ends at. */
export function farthestTxid(files: FilesByLevel): number {
  return files.flat().reduce((farthest, file) => Math.max(farthest, file.maxTxid), 0)
}

/** `Page 7 of TXID 000000000000002a`. */
export function pageLabel(pgno: number, txid: number): string {
  return `page ${pgno} of TXID ${formatTxid(txid)}`
}
