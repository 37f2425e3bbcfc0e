import { LitestreamError } from '../errors.js'
import { corrupt } from '../ltx/corrupt.js'
import { FLAG_NO_CHECKSUM, lockPgno } from '../ltx/format.js'
import type { LtxHeader } from '../ltx/header.js'
import { missingPage, type PageIndex } from '../ltx/page-index.js'
import { formatTxid } from '../ltx/txid.js'
import type { PlanTarget } from './plan.js'

/** The parts of a file of a plan that are checked. */
export interface PlannedFile {
  /** The file's name in messages. */
  readonly label: string
  readonly header: LtxHeader
  readonly postApplyChecksum: bigint
}

/** The position of a file in its plan. */
export interface Placed {
  /**
   * The largest size in pages that the database had before the file: the file must have every page
   * beyond it. 0: the file must hold the whole database.
   */
  readonly peak: number
  /**
   * The plan begins, or begins again, with this file, because the page size of the database
   * changed.
   */
  readonly begins: boolean
}

/**
 * Compares the files of a plan with each other in order, oldest first: page sizes, TXIDs, database
 * checksums, times. A caller that reads page indexes uses `peak` to check that no page is missing.
 * Every page of the database is then in a file or was truncated, and no commit exceeds the number
 * of index entries.
 */
export class PlanCheck {
  readonly #target: PlanTarget
  #before: PlannedFile | undefined
  #peak: number

  /** `before`, `peak`: the last file already checked, and the largest commit so far. */
  constructor(target: PlanTarget = {}, before?: PlannedFile, peak = 0) {
    this.#target = target
    this.#before = before
    this.#peak = peak
  }

  /** The last file passed to `add`. */
  get last(): PlannedFile | undefined {
    return this.#before
  }

  /** The largest size of the database so far, pages. */
  get peak(): number {
    return this.#peak
  }

  /** Throws LTX_CORRUPT or LTX_GAP about `file` if it cannot come next. */
  add(file: PlannedFile): Placed {
    const before = this.#before
    const begins = before?.header.pageSize !== file.header.pageSize
    if (!begins) checkFollows(before, file)
    checkTime(file, this.#target)
    const peak = begins ? 0 : this.#peak
    this.#before = file
    this.#peak = Math.max(peak, file.header.commit)
    return { peak, begins }
  }
}

/** A planned file whose page index was read. */
export interface IndexedFile extends PlannedFile {
  /** The file has every page of the database after this one. 0: it holds the whole database. */
  readonly denseFrom: number
}

/**
 * Checks that the files of a plan make one whole database, and returns the files that can contain
 * its pages: after a change of the page size, only the files from then on.
 *
 * The work is proportional to the number of files: no count or allocation depends on a header's
 * claims. Throws LTX_CORRUPT, LTX_GAP and PAGE_SIZE_MISMATCH, naming the file at fault.
 */
export function checkPlan<F extends IndexedFile>(plan: readonly F[], target: PlanTarget = {}): F[] {
  const check = new PlanCheck(target)
  let files: F[] = []
  for (const file of plan) {
    if (addIndexed(check, file).begins) files = []
    files.push(file)
  }
  return files
}

/**
 * Adds the next file of a plan and checks that it has every page that only it can have. Throws as
 * checkPlan does.
 */
export function addIndexed(check: PlanCheck, file: IndexedFile): Placed {
  const before = check.last
  const placed = check.add(file)
  const { peak, begins } = placed
  if (file.denseFrom > peak) throw begins && before ? otherPageSize(before, file) : incomplete(file, peak)
  return placed
}

/** The page after which a file has every page of the database; see IndexedFile. */
export function denseFrom(
  { commit, pageSize }: LtxHeader,
  { count, pgnos }: Pick<PageIndex, 'count' | 'pgnos'>,
): number {
  const lock = lockPgno(pageSize)
  let from = commit === lock ? commit - 1 : commit
  for (let i = count - 1; i >= 0 && pgnos[i] === from; i--) from -= from - 1 === lock ? 2 : 1
  return from
}

/**
 * Checks that a file has every page by which it makes the database larger than `peak` pages. Throws
 * LTX_CORRUPT.
 */
export function checkGrowth(header: LtxHeader, index: PageIndex, peak: number, label: string): void {
  const from = denseFrom(header, index)
  if (from > peak) throw missingPage(label, from, { commit: header.commit, completeFrom: peak }, 12)
}

/** The error for a file whose page size differs from that of the files before it. */
export function otherPageSize(before: PlannedFile, { label, header }: PlannedFile): LitestreamError {
  const reached = formatTxid(before.header.maxTxid)
  return new LitestreamError(
    'PAGE_SIZE_MISMATCH',
    `${label} has pages of ${header.pageSize} bytes, but ${before.label} has pages of ${before.header.pageSize} bytes`,
    {
      file: label,
      hint: `Restore up to TXID ${reached}, or write a new snapshot: \`litestream-ts replicate -once -force-snapshot DB URL\`.`,
    },
  )
}

function incomplete({ label, header, denseFrom }: IndexedFile, peak: number): LitestreamError {
  return missingPage(label, denseFrom, { commit: header.commit, completeFrom: peak }, 12)
}

function checkFollows(before: PlannedFile, { label, header }: PlannedFile): void {
  const isNext = header.minTxid === before.header.maxTxid + 1
  if (header.minTxid > before.header.maxTxid + 1) {
    throw new LitestreamError('LTX_GAP', `${label} does not follow ${before.label}`, {
      file: label,
      hint: 'Run `litestream-ts verify` on the replica; it lists the missing files.',
    })
  }
  const isSummed = ((header.flags | before.header.flags) & FLAG_NO_CHECKSUM) === 0
  if (!isSummed || !isNext || header.preApplyChecksum === before.postApplyChecksum) return
  const [own, other] = [header.preApplyChecksum.toString(16), before.postApplyChecksum.toString(16)]
  throw corrupt(`it applies to a database with checksum ${own}, but the file before it produces ${other}`, label, 40)
}

function checkTime({ label, header }: PlannedFile, { timestamp }: PlanTarget): void {
  if (timestamp === undefined || header.timestamp < timestamp) return
  const [own, limit] = [header.timestamp, timestamp].map((time) => new Date(time).toISOString())
  throw corrupt(`its header has the time ${own}, but the store says that it was written before ${limit}`, label, 32)
}
