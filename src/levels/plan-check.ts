import { LitestreamError } from '../errors.js'
import { corrupt } from '../ltx/corrupt.js'
import { FLAG_NO_CHECKSUM, lockPgno } from '../ltx/format.js'
import type { LtxHeader } from '../ltx/header.js'
import { missingPage, type PageIndex } from '../ltx/page-index.js'
import { formatTxid } from '../ltx/txid.js'
import type { PlanTarget } from './plan.js'

/** The data of a planned file that PlanCheck compares. */
export interface PlannedFile {
  /** The name of the file in messages. */
  readonly label: string
  readonly header: LtxHeader
  readonly postApplyChecksum: bigint
}

/** The result of adding a file to a plan. */
export interface Placed {
  /**
   * The largest size in pages of the database before this file. The file must contain every page
   * with a number above `peak`. If `peak` is 0, the file must contain the whole database.
   */
  readonly peak: number
  /** Whether the file is the first of the plan, or the first after a change of the page size. */
  readonly begins: boolean
}

/**
 * Compares the files of a plan with each other, oldest first. Checks page sizes, TXIDs, database
 * checksums and times. A caller that reads page indexes uses `peak` to check that no page is
 * missing. After a complete check, every page of the database is in a file or was truncated, and no
 * database size in a header exceeds the number of page index entries.
 */
export class PlanCheck {
  readonly #target: PlanTarget
  #before: PlannedFile | undefined
  #peak: number

  /**
   * `before` is the last file that was already checked. `peak` is the largest database size in
   * pages in the headers of the checked files.
   */
  constructor(target: PlanTarget = {}, before?: PlannedFile, peak = 0) {
    this.#target = target
    this.#before = before
    this.#peak = peak
  }

  /** The last file that was passed to `add`. */
  get last(): PlannedFile | undefined {
    return this.#before
  }

  /** The largest size in pages that the database had in the checked files. */
  get peak(): number {
    return this.#peak
  }

  /**
   * Adds the next file of the plan. Throws LTX_CORRUPT or LTX_GAP if `file` cannot follow the
   * previous file.
   */
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

/** A file of a plan, with a result from its page index. */
export interface IndexedFile extends PlannedFile {
  /**
   * The file contains every page of the database with a number above `denseFrom`. If `denseFrom` is
   * 0, the file contains the whole database.
   */
  readonly denseFrom: number
}

/**
 * Checks that the files of a plan form one whole database. Returns the files that can contain pages
 * of the database. If the page size changed within the plan, returns the files after the change.
 *
 * The time and the memory that checkPlan needs are proportional to the number of files. The numbers
 * in the headers affect neither the time nor the memory. Throws LTX_CORRUPT, LTX_GAP or
 * PAGE_SIZE_MISMATCH with the name of the wrong file.
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
 * Adds the next file of a plan. Also checks that the file contains all pages with numbers above
 * `peak`, because no earlier file can contain these pages. Throws the errors of `checkPlan`.
 */
export function addIndexed(check: PlanCheck, file: IndexedFile): Placed {
  const before = check.last
  const placed = check.add(file)
  const { peak, begins } = placed
  if (file.denseFrom > peak) throw begins && before ? otherPageSize(before, file) : incomplete(file, peak)
  return placed
}

/**
 * Returns the page number after which the file contains every page of the database. See
 * IndexedFile.
 */
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
 * Throws LTX_CORRUPT if a file makes the database larger than `peak` pages without containing all
 * new pages.
 */
export function checkGrowth(header: LtxHeader, index: PageIndex, peak: number, label: string): void {
  const from = denseFrom(header, index)
  if (from > peak) throw missingPage(label, from, { commit: header.commit, completeFrom: peak }, 12)
}

/** Returns the error for a file whose page size differs from the page size of the previous file. */
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
      hint: 'Run `litestream-ts verify` on the replica to list the missing files.',
    })
  }
  const isSummed = ((header.flags | before.header.flags) & FLAG_NO_CHECKSUM) === 0
  if (!isSummed || !isNext || header.preApplyChecksum === before.postApplyChecksum) return
  const [own, other] = [header.preApplyChecksum.toString(16), before.postApplyChecksum.toString(16)]
  throw corrupt(
    `the file applies to a database with the checksum ${own}, but the file before it produces the checksum ${other}`,
    label,
    40,
  )
}

function checkTime({ label, header }: PlannedFile, { timestamp }: PlanTarget): void {
  if (timestamp === undefined || header.timestamp < timestamp) return
  const [own, limit] = [header.timestamp, timestamp].map((time) => new Date(time).toISOString())
  throw corrupt(
    `the header of the file has the time ${own}, but the listing says that the file was written before ${limit}`,
    label,
    32,
  )
}
