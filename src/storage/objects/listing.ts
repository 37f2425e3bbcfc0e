import { LitestreamError } from '../../errors.js'
import { LISTING_TIMEOUT, wrongListing } from '../listing.js'
import type { ObjectStore, StoredObject } from './object-store.js'
import type { Requests, Subject } from './requests.js'

/**
 * Maximum number of consecutive pages without an object in an unfinished listing. Azure sends such
 * pages.
 */
const EMPTY_PAGES = 100

/**
 * Lists the objects whose keys begin with `prefix`, in the store's order, from the key `from` on.
 * Each page is requested on demand, and only one is in memory. Ends in every case, possibly with
 * STORAGE_FAILED or TIMEOUT: keys must ascend, a token must not repeat, and the number of pages
 * without an object and the store's total time (LISTING_TIMEOUT) are limited.
 */
export async function* listObjects(
  store: ObjectStore,
  requests: Requests,
  subject: Subject,
  prefix: string,
  from?: string,
): AsyncGenerator<StoredObject> {
  const what = `${subject.doing} ${subject.target}`
  let token: string | undefined
  let last: string | undefined
  let empty = 0
  let waited = 0
  do {
    const asked = performance.now()
    const place = token === undefined ? { from } : { from, token }
    const page = await requests.retried(subject, () => (signal) => store.listPage(prefix, place, signal))
    waited += performance.now() - asked
    for (const object of page.objects) {
      const { key } = object
      if (!key.startsWith(prefix)) throw wrongListing(what, `${show(key)} does not begin with "${prefix}"`)
      if (last !== undefined && !isAfter(key, last)) throw wrongListing(what, `${show(key)} comes after ${show(last)}`)
      last = key
      if (from === undefined || key >= from) yield object
    }
    empty = page.objects.length > 0 ? 0 : empty + 1
    if (page.next !== undefined && page.next === token) throw wrongListing(what, 'a continuation token came twice')
    if (empty > EMPTY_PAGES) throw wrongListing(what, `${empty} pages without an object`)
    if (waited > LISTING_TIMEOUT) throw tooSlow(what)
    token = page.next
  } while (token !== undefined)
}

/**
 * Stores compare bytes or UTF-16 units, which is the same up to U+D7FF; keys beyond that are
 * accepted in any order.
 */
function isAfter(key: string, last: string): boolean {
  return key > last || /[\ud800-\uffff]/.test(key + last)
}

function show(key: string): string {
  return `the key ${JSON.stringify(key.slice(0, 200))}`
}

function tooSlow(what: string): LitestreamError {
  return new LitestreamError('TIMEOUT', `${what} failed: it takes longer than ${LISTING_TIMEOUT / 60_000} minutes`, {
    hint: 'Move objects that do not belong to this replica to another prefix, or replicate to a new path.',
  })
}
