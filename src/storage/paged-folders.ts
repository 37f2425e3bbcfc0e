import { elapsedMs } from '../util/elapsed.js'
import { LISTING_TIMEOUT, wrongListing } from './listing.js'

export interface FolderPage {
  /** Whole keys, which end with "/". */
  readonly prefixes: readonly string[]
  /** Token of the next page; undefined on the last one. */
  readonly next: string | undefined
}

/**
 * The names of the folders directly below the keys that begin with `prefix`, which ends with "/" or
 * is empty. Objects are not kept in memory. Throws STORAGE_FAILED for a listing that contradicts
 * itself or takes longer than LISTING_TIMEOUT. `what`: "listing s3://…".
 */
export async function pagedFolders(
  prefix: string,
  what: string,
  page: (token: string | undefined) => Promise<FolderPage>,
): Promise<string[]> {
  const names: string[] = []
  const tokens = new Set<string>()
  const deadline = elapsedMs() + LISTING_TIMEOUT
  let token: string | undefined
  do {
    const { prefixes, next } = await page(token)
    for (const found of prefixes) {
      if (!found.startsWith(prefix) || !found.endsWith('/') || found.slice(prefix.length, -1).includes('/'))
        throw wrongListing(
          what,
          `${JSON.stringify(found.slice(0, 200))} is not a folder below ${JSON.stringify(prefix)}`,
        )
      names.push(found.slice(prefix.length, -1))
    }
    if (next !== undefined && tokens.has(next)) throw wrongListing(what, 'a continuation token came twice')
    if (next !== undefined) tokens.add(next)
    if (elapsedMs() > deadline) throw wrongListing(what, 'it takes too long')
    token = next
  } while (token !== undefined)
  return names
}
