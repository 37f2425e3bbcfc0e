import { pagedFolders } from '../paged-folders.js'
import { unconfirmed } from '../unconfirmed.js'
import type { StoreFolder } from '../walk-folders.js'
import { ListObjectsV2Command } from './aws.js'
import { nextToken } from './list.js'
import type { S3Requests, Subject } from './requests.js'

/**
 * Pattern of the folders of a replica, which are the levels, and the generations of Litestream 0.3.
 */
const OF_REPLICA = /^(?:000[0-9]|generations)$/

/**
 * Returns the names of the folders that are direct children of `prefix`. The listing has the
 * guarantees that pagedFolders() documents.
 */
export function listFolders(requests: S3Requests, subject: Subject, prefix: string): Promise<string[]> {
  const what = `${subject.doing} ${subject.target}`
  return pagedFolders(prefix, what, async (token) => {
    const place = token === undefined ? {} : { ContinuationToken: token }
    const input = { Bucket: requests.bucket, Prefix: prefix, Delimiter: '/', ...place }
    const page = await requests.retried(subject, () => async (client, options) => {
      const reply = await client.send(new ListObjectsV2Command(input), options)
      // A response that is not a listing does not prove that `prefix` has no folders.
      if (reply.IsTruncated === undefined && reply.KeyCount === undefined)
        throw unconfirmed(what, 'the reply is not a listing', subject.target)
      return reply
    })
    return { prefixes: (page.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix), next: nextToken(page, what) }
  })
}

/** Separates the level folders and generations of a replica from the other folders in `names`. */
export function asStoreFolder(names: readonly string[]): StoreFolder {
  const folders = names.filter((name) => !OF_REPLICA.test(name))
  return { isReplica: folders.length < names.length, folders }
}
