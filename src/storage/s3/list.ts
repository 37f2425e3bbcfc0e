import type { _Object, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import { versionOf } from '../entity-tags.js'
import { wrongListing } from '../listing.js'
import { type ListedPage, pagedListing } from '../paged-listing.js'
import type { LtxFileInfo } from '../replica-client.js'
import { unconfirmed } from '../unconfirmed.js'
import { ListObjectsV2Command } from './aws.js'
import type { S3Requests, Subject } from './requests.js'

/** An object in a page of a listing. The key of the object begins with the requested prefix. */
export type ListedObject = _Object & { readonly Key: string }

/**
 * Returns the fields of an object in a listing. A number that the listing lacks is NaN in the
 * result.
 */
export function factsOf({ Size, LastModified, ETag }: _Object): Pick<LtxFileInfo, 'size' | 'createdAt' | 'version'> {
  return { size: Size ?? Number.NaN, createdAt: LastModified?.getTime() ?? Number.NaN, version: versionOf(ETag) }
}

/**
 * Lists the objects whose keys begin with `prefix`. The listing has the guarantees that
 * pagedListing() documents.
 */
export function listObjects(
  requests: S3Requests,
  subject: Subject,
  prefix: string,
  startAfter?: string,
): AsyncGenerator<ListedObject> {
  const what = `${subject.doing} ${subject.target}`
  const page = (token: string | undefined) => fetchPage(requests, subject, prefix, token ?? { startAfter })
  return pagedListing(prefix, what, page, ({ Key }) => Key) as AsyncGenerator<ListedObject>
}

async function fetchPage(
  requests: S3Requests,
  subject: Subject,
  Prefix: string,
  from: string | { readonly startAfter: string | undefined },
): Promise<ListedPage<_Object>> {
  const what = `${subject.doing} ${subject.target}`
  const place =
    typeof from === 'string'
      ? { ContinuationToken: from }
      : from.startAfter === undefined
        ? {}
        : { StartAfter: from.startAfter }
  const page = await requests.retried(subject, () => async (client, options) => {
    const reply = await client.send(new ListObjectsV2Command({ Bucket: requests.bucket, Prefix, ...place }), options)
    // A response that is not a listing does not prove that the prefix has no objects.
    if (reply.IsTruncated === undefined && reply.KeyCount === undefined) {
      throw unconfirmed(what, 'the reply is not a listing', subject.target)
    }
    return reply
  })
  return { objects: page.Contents ?? [], next: nextToken(page, what) }
}

/**
 * Returns the token of the next page, or undefined on the final page. Throws STORAGE_FAILED if a
 * truncated page has no token.
 */
export function nextToken(
  page: Pick<ListObjectsV2CommandOutput, 'IsTruncated' | 'NextContinuationToken'>,
  what: string,
): string | undefined {
  if (!page.IsTruncated) return undefined
  if (!page.NextContinuationToken) throw wrongListing(what, 'the listing is truncated but has no continuation token')
  return page.NextContinuationToken
}
