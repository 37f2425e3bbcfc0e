import { LitestreamError } from '../errors.js'
import { elapsedMs } from '../util/elapsed.js'
import { LISTING_TIMEOUT, wrongListing } from './listing.js'

/** Maximum number of consecutive pages without an object. Azure sends pages without an object. */
const EMPTY_PAGES = 100

export interface ListedPage<T> {
  readonly objects: readonly T[]
  /** Token of the next page, or undefined on the final page. */
  readonly next: string | undefined
}

/**
 * Yields the objects of a store whose keys begin with `prefix`, in the store's order. Requests each
 * page on demand, and holds one page in memory. The listing always ends. pagedListing() throws
 * STORAGE_FAILED if keys do not ascend, if a token repeats, or if too many consecutive pages have
 * no object. pagedListing() throws TIMEOUT if the store needs longer than LISTING_TIMEOUT for all
 * pages. `what` is a phrase for messages, such as "listing s3://…".
 */
export async function* pagedListing<T>(
  prefix: string,
  what: string,
  page: (token: string | undefined) => Promise<ListedPage<T>>,
  keyOf: (object: T) => string | undefined,
): AsyncGenerator<T> {
  let token: string | undefined
  let last: string | undefined
  let empty = 0
  let waited = 0
  do {
    const asked = elapsedMs()
    const { objects, next } = await page(token)
    waited += elapsedMs() - asked
    for (const object of objects) {
      const key = keyOf(object)
      if (!key?.startsWith(prefix)) throw wrongListing(what, `${show(key)} does not begin with "${prefix}"`)
      if (last !== undefined && !isAfter(key, last)) throw wrongListing(what, `${show(key)} comes after ${show(last)}`)
      last = key
      yield object
    }
    empty = objects.length > 0 ? 0 : empty + 1
    if (next !== undefined && next === token)
      throw wrongListing(what, 'the store returned the same continuation token twice')
    if (empty > EMPTY_PAGES) throw wrongListing(what, `${empty} pages without an object`)
    if (waited > LISTING_TIMEOUT) throw tooSlow(what)
    token = next
  } while (token !== undefined)
}

/**
 * Whether `key` sorts after `last`. To sort keys, some stores compare bytes and others compare
 * UTF-16 units. Both comparisons give the same order up to U+D7FF. If a key has a character above
 * U+D7FF, isAfter() accepts any order.
 */
function isAfter(key: string, last: string): boolean {
  return key > last || /[\ud800-\uffff]/.test(key + last)
}

function show(key: string | undefined): string {
  return key === undefined ? 'an object without a key' : `the key ${JSON.stringify(key.slice(0, 200))}`
}

function tooSlow(what: string): LitestreamError {
  return new LitestreamError(
    'TIMEOUT',
    `${what} failed: the listing takes longer than ${LISTING_TIMEOUT / 60_000} minutes`,
    {
      hint: 'Move objects that do not belong to this replica to another prefix, or replicate to another replica URL.',
    },
  )
}
