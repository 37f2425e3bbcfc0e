import { LISTING_TIMEOUT, wrongListing } from '../listing.js'
import type { StoreFolder } from '../walk-folders.js'
import { ListObjectsV2Command } from './aws.js'
import { unconfirmed } from './errors.js'
import type { S3Requests, Subject } from './requests.js'

/** Folders of a replica: its levels, and the generations of Litestream 0.3. */
const OF_REPLICA = /^(?:000[0-9]|generations)$/

/**
 * The folders directly below the keys that begin with `prefix`, which ends with "/" or is empty.
 * Objects are not kept in memory. Throws STORAGE_FAILED for a listing that contradicts itself, and
 * TIMEOUT.
 */
export async function listFolders(requests: S3Requests, subject: Subject, prefix: string): Promise<string[]> {
  const what = `${subject.doing} ${subject.target}`
  const names: string[] = []
  const tokens = new Set<string>()
  const deadline = performance.now() + LISTING_TIMEOUT
  let token: string | undefined
  do {
    const place = token === undefined ? {} : { ContinuationToken: token }
    const input = { Bucket: requests.bucket, Prefix: prefix, Delimiter: '/', ...place }
    const page = await requests.retried(subject, () => async (client, options) => {
      const reply = await client.send(new ListObjectsV2Command(input), options)
      // An empty response, or one of another form, does not prove that there are no folders.
      if (reply.IsTruncated === undefined && reply.KeyCount === undefined)
        throw unconfirmed(subject.doing, subject.target, 'the reply is no listing')
      return reply
    })
    for (const { Prefix: found = '' } of page.CommonPrefixes ?? []) {
      if (!found.startsWith(prefix) || !found.endsWith('/') || found.slice(prefix.length, -1).includes('/'))
        throw wrongListing(
          what,
          `${JSON.stringify(found.slice(0, 200))} is not a folder below ${JSON.stringify(prefix)}`,
        )
      names.push(found.slice(prefix.length, -1))
    }
    token = page.IsTruncated ? page.NextContinuationToken : undefined
    if (page.IsTruncated && !token) throw wrongListing(what, 'it is truncated and has no continuation token')
    if (token !== undefined && tokens.has(token)) throw wrongListing(what, 'a continuation token came twice')
    if (token !== undefined) tokens.add(token)
    if (performance.now() > deadline) throw wrongListing(what, 'it takes too long')
  } while (token !== undefined)
  return names
}

/** Separates the folders of a replica from others. */
export function asStoreFolder(names: readonly string[]): StoreFolder {
  const folders = names.filter((name) => !OF_REPLICA.test(name))
  return { isReplica: folders.length < names.length, folders }
}
