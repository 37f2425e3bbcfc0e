import PQueue from 'p-queue'
import { isLitestreamError, LitestreamError } from '../../../errors.js'
import { listForLatest } from '../../../levels/latest-listing.js'
import {
  type FilesByLevel,
  listLevels,
  listTogether,
  type PlanTarget,
  planRestore,
  selectPlan,
} from '../../../levels/plan.js'
import { type FileIndex, loadFileIndex } from '../../../levels/remote-index.js'
import { LEVELS, lockPgno } from '../../../ltx/format.js'
import type { LtxHeader } from '../../../ltx/header.js'
import { formatTxid } from '../../../ltx/txid.js'
import { isSameFile } from '../../../storage/object-identity.js'
import type { LtxFileInfo, ReplicaClient } from '../../../storage/replica-client.js'
import { FileTable, fileLabel } from './file-ordinals.js'
import { PageMap } from './page-map.js'

/** The database at one TXID, as the store's files make it. */
export interface ChainState {
  readonly txid: number
  /** Ms since the epoch, from the header of the newest file. */
  readonly timestamp: number
  readonly pageSize: number
  /** Pages. */
  readonly commit: number
  readonly map: PageMap
  /** The newest file: the one that shows, by still being there, that the replica is the one we know. */
  readonly anchor: LtxFileInfo
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

/** How many times a plan is made anew because a file of it vanished before its index was read. */
const PLAN_ATTEMPTS = 5

/** Files whose indexes are read at once, as many as an S3 client has connections: open files and sockets are limited. */
const INDEXES_AT_ONCE = 128

/** Turns the files of a replica into page maps: from a plan, and onwards from there. */
export class Chain {
  readonly files: FileTable
  readonly #client: ReplicaClient
  readonly #signal: AbortSignal

  constructor(client: ReplicaClient, signal: AbortSignal, files = new FileTable()) {
    this.#client = client
    this.#signal = signal
    this.files = files
  }

  /** The state at a target. One LIST of every level at once, then every file's index at once. */
  async load(target: PlanTarget = {}): Promise<ChainState> {
    return (await this.loadFiles(target)).state
  }

  /** The same, with what was read of the files. */
  async loadFiles(target: PlanTarget = {}): Promise<LoadedState> {
    for (let attempt = 1; ; attempt++) {
      const plan = await this.#plan(target)
      try {
        return await this.#index(plan)
      } catch (error) {
        const vanished = error instanceof LitestreamError && error.code === 'NOT_FOUND'
        if (!vanished || attempt === PLAN_ATTEMPTS) throw error
      }
    }
  }

  async #plan(target: PlanTarget): Promise<LtxFileInfo[]> {
    if (target.txid === undefined && target.timestamp === undefined) {
      const files = await listForLatest(this.#client, this.#signal)
      try {
        const plan = selectPlan(files)
        if (plan.length > 0) return plan
      } catch (error) {
        if (!isLitestreamError(error, 'LTX_GAP')) throw error
        // Perhaps only the shortened listing has the gap.
      }
    }
    return planRestore(this.#client, { ...target, signal: this.#signal })
  }

  async loadPlan(plan: readonly LtxFileInfo[]): Promise<ChainState> {
    return (await this.#index(plan)).state
  }

  async #index(plan: readonly LtxFileInfo[]): Promise<LoadedState> {
    const indexed = await this.#readIndexes(plan)
    let map = PageMap.empty()
    let { pageSize } = indexed[0].header
    for (const file of indexed) {
      const { info, header } = file
      // VACUUM gave the database another page size: what came before is of no use, if this file has all of it.
      const anew = header.pageSize !== pageSize
      map = (anew ? PageMap.empty() : map).apply(
        (target) => file.mapInto(target),
        this.files.ordinal(info),
        header.commit,
      )
      if (anew && !isWhole(file)) throw otherPageSize(pageSize, header, info, this.#client.url)
      pageSize = header.pageSize
    }
    return { state: stateAfter(indexed, map), files: indexed }
  }

  /**
   * The state after `plan`, whose files follow on `from` (or overlap its end). Of files up to `wholeUpTo` bytes all is read. Throws
   * PAGE_SIZE_MISMATCH.
   */
  async extend(from: ChainState, plan: readonly LtxFileInfo[], wholeUpTo?: number): Promise<Extension> {
    const files = await this.#readIndexes(plan, wholeUpTo)
    const changed = new Set<number>()
    let map = from.map
    let whole = false
    for (const file of files) {
      const { info, header } = file
      if (header.pageSize !== from.pageSize) throw otherPageSize(from.pageSize, header, info, this.#client.url)
      map = map.apply(
        (target) =>
          file.mapInto(target, (pgnos) => {
            for (const pgno of pgnos) changed.add(pgno)
          }),
        this.files.ordinal(info),
        header.commit,
      )
      whole ||= isWhole(file)
    }
    return { state: stateAfter(files, map), files, changed: Uint32Array.from(changed).sort(), whole }
  }

  /** In the order of the plan, which may be of thousands of files where nothing compacts them. */
  async #readIndexes(plan: readonly LtxFileInfo[], wholeUpTo?: number): Promise<FileIndex[]> {
    const queue = new PQueue({ concurrency: INDEXES_AT_ONCE })
    try {
      return await queue.addAll(plan.map((file) => () => loadFileIndex(this.#client, file, this.#signal, wholeUpTo)))
    } finally {
      queue.clear() // after a failure nobody wants the rest
    }
  }

  /** The numbers of the pages that a file has, and how many the database has after it. */
  async pagesOf(file: LtxFileInfo): Promise<{ readonly changed: ReadonlySet<number>; readonly commit: number }> {
    const index = await loadFileIndex(this.#client, file, this.#signal)
    return { changed: new Set(index.decode().pgnos), commit: index.header.commit }
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

/** Whether a file holds every page of the database. */
function isWhole({ header: { commit, pageSize }, count }: FileIndex): boolean {
  return count === commit - (lockPgno(pageSize) <= commit ? 1 : 0)
}

function otherPageSize(before: number, header: LtxHeader, info: LtxFileInfo, url: string): LitestreamError {
  return new LitestreamError(
    'PAGE_SIZE_MISMATCH',
    `${url} ${fileLabel(info)} has pages of ${header.pageSize} bytes, the files before it have ${before}`,
    { file: fileLabel(info), hint: 'The page size was changed on the primary: it must write a new snapshot.' },
  )
}

/** What the newest file says of the database that `map` describes. */
function stateAfter(files: readonly FileIndex[], map: PageMap): ChainState {
  const { header, info } = files[files.length - 1]
  const { timestamp, pageSize, commit } = header
  return { txid: info.maxTxid, timestamp, pageSize, commit, map: map.freeze(), anchor: info }
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
