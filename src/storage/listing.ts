import { LitestreamError } from '../errors.js'
import { throwIfAborted } from '../util/abort.js'
import { compareFiles } from './keys.js'
import type { LtxFileInfo } from './replica-client.js'

/**
 * Maximum number of LTX files in one listing. A listing of 1,000,000 files takes about 200 MB of
 * memory. A replica with default settings has 1,000 times fewer files.
 */
const MAX_LISTED_FILES = 1_000_000

/**
 * Maximum time in milliseconds that a listing waits for the store, over all pages of the listing.
 * The time that the consumer of the listing takes between two files does not count.
 */
export const LISTING_TIMEOUT = 10 * 60_000

/** Largest time that a Date can represent, in milliseconds since the epoch. */
const MAX_TIME = 8.64e15

/** Maximum number of characters of a version (entity tag, NUID). */
const MAX_VERSION = 256

export interface ListedSource {
  /** Words for messages, such as "listing s3://…". */
  readonly what: string
  readonly signal?: AbortSignal | undefined
}

/**
 * Checks the files of a listing from any store. The files must ascend by level and TXIDs, have
 * valid sizes and times, and be at most a million. Throws STORAGE_FAILED for any other listing,
 * because a listing with one error may have more errors. The clients of all stores pass their
 * listings through checkedListing().
 */
export async function* checkedListing(
  files: AsyncIterable<LtxFileInfo> | Iterable<LtxFileInfo>,
  { what, signal }: ListedSource,
): AsyncGenerator<LtxFileInfo, void> {
  let last: LtxFileInfo | undefined
  let count = 0
  for await (const file of files) {
    throwIfAborted(signal, what)
    checkFacts(file, label(file), what)
    if (last !== undefined && !isAfter(file, last)) {
      throw wrongListing(what, `${label(file)} comes after ${label(last)}`)
    }
    if (++count > MAX_LISTED_FILES) {
      throw new LitestreamError('STORAGE_FAILED', `${what} failed: more than ${MAX_LISTED_FILES} LTX files`, {
        hint: 'Enable retention and compaction for this replica, or replicate to another replica URL.',
      })
    }
    yield file
    last = file
  }
}

function isAfter(file: LtxFileInfo, last: LtxFileInfo): boolean {
  return file.level > last.level || (file.level === last.level && compareFiles(file, last) > 0)
}

/**
 * Throws STORAGE_FAILED if no object of a store can have the values in `facts`. `name` names the
 * object in the message.
 */
export function checkFacts(
  facts: Pick<LtxFileInfo, 'size' | 'createdAt' | 'version'>,
  name: string,
  what: string,
): void {
  const { size, createdAt, version } = facts
  if (!Number.isSafeInteger(size) || size < 0) throw wrongListing(what, `${name} has the size ${size}`)
  if (!(Math.abs(createdAt) <= MAX_TIME)) throw wrongListing(what, `${name} has no valid time`)
  if (version !== undefined && version.length > MAX_VERSION) {
    throw wrongListing(what, `${name} has a version of ${version.length} characters`)
  }
}

function label({ level, minTxid, maxTxid }: LtxFileInfo): string {
  return `level ${level} TXIDs ${minTxid}-${maxTxid}`
}

/** Returns the error for an invalid listing. */
export function wrongListing(what: string, why: string): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `${what} failed: ${why}`, {
    hint: 'Check the endpoint: the store, or a proxy in front of it, does not list its objects correctly.',
  })
}
