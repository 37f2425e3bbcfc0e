import { LitestreamError } from '../errors.js'
import { throwIfAborted } from '../util/abort.js'
import { compareFiles } from './keys.js'
import type { LtxFileInfo } from './replica-client.js'

/** LTX files of one listing: 1,000 times what a replica with the default settings has. Some 200 MB of memory. */
export const MAX_LISTED_FILES = 1_000_000

/** Milliseconds that a listing may wait for the store, over all its pages; the consumer's time does not count. */
export const LISTING_TIMEOUT = 10 * 60_000

/** Milliseconds since the epoch that a Date can hold. */
const MAX_TIME = 8.64e15

/** Characters of the longest version (entity tag, NUID) that is kept. */
const MAX_VERSION = 256

export interface ListedSource {
  /** For messages: "listing s3://…". */
  readonly what: string
  readonly signal?: AbortSignal | undefined
}

/**
 * The files of a listing, as every store has to give them: each later than the one before it by level and TXIDs, with a size and a time
 * that are numbers, and no more than a million. The one reader of listings of all stores: STORAGE_FAILED otherwise, because a listing
 * that is wrong in one place is not taken for true in others.
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
        hint: 'Let retention and compaction run, or replicate to a new path.',
      })
    }
    yield file
    last = file
  }
}

function isAfter(file: LtxFileInfo, last: LtxFileInfo): boolean {
  return file.level > last.level || (file.level === last.level && compareFiles(file, last) > 0)
}

/** Throws STORAGE_FAILED unless `facts` can be those of an object. `name`: of the object, for the message. */
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

/** For a listing that no store gives. */
export function wrongListing(what: string, why: string): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `${what} failed: ${why}`, {
    hint: 'Check the endpoint: the store, or a proxy before it, does not list its objects correctly.',
  })
}
