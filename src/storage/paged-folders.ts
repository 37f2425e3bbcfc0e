import { elapsedMs } from '../util/elapsed.js'
import { LISTING_TIMEOUT, wrongListing } from './listing.js'

export interface FolderPage {
  /** Prefixes of the folders on this page, each ending with "/". */
  readonly prefixes: readonly string[]
  /** Token of the next page, or undefined on the final page. */
  readonly next: string | undefined
}

/**
 * Returns the names of the folders that are direct children of `prefix`. The prefix is empty or
 * ends with "/". pagedFolders() keeps no objects in memory. Throws STORAGE_FAILED if the listing
 * contradicts itself or takes longer than LISTING_TIMEOUT. `what` is a phrase for messages, such as
 * "listing s3://…".
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
    if (next !== undefined && tokens.has(next))
      throw wrongListing(what, 'the store returned the same continuation token twice')
    if (next !== undefined) tokens.add(next)
    if (elapsedMs() > deadline) throw wrongListing(what, 'the listing takes too long')
    token = next
  } while (token !== undefined)
  return names
}
