import type { _Object, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import { LitestreamError } from '../../errors.js'
import { LISTING_TIMEOUT, wrongListing } from '../listing.js'
import { ListObjectsV2Command } from './aws.js'
import { unconfirmed } from './errors.js'
import type { S3Requests, Subject } from './requests.js'

/** Maximum number of consecutive pages without an object in an unfinished listing. */
const EMPTY_PAGES = 100

/** An object of a listing: its key begins with the prefix. */
export type ListedObject = _Object & { readonly Key: string }

/**
 * Lists the objects whose keys begin with `prefix`, in the store's order. Each page is requested on
 * demand, and only one is in memory. Ends in every case, possibly with STORAGE_FAILED or TIMEOUT:
 * keys must ascend, a token must not repeat, and the number of pages without an object and the
 * store's total time (LISTING_TIMEOUT) are limited.
 */
export async function* listObjects(
  requests: S3Requests,
  subject: Subject,
  prefix: string,
  startAfter?: string,
): AsyncGenerator<ListedObject> {
  const what = `${subject.doing} ${subject.target}`
  let token: string | undefined
  let last: string | undefined
  let empty = 0
  let waited = 0
  do {
    const asked = performance.now()
    const page = await fetchPage(requests, subject, prefix, token ?? { startAfter })
    waited += performance.now() - asked
    for (const object of page.Contents ?? []) {
      const listed = checkKey(object, prefix, what)
      if (last !== undefined && !isAfter(listed.Key, last))
        throw wrongListing(what, `${show(listed.Key)} comes after ${show(last)}`)
      last = listed.Key
      yield listed
    }
    empty = page.Contents?.length ? 0 : empty + 1
    const next = page.IsTruncated ? page.NextContinuationToken : undefined
    if (page.IsTruncated && !next) throw wrongListing(what, 'it is truncated and has no continuation token')
    if (next !== undefined && next === token) throw wrongListing(what, 'a continuation token came twice')
    if (empty > EMPTY_PAGES) throw wrongListing(what, `${empty} pages without an object`)
    if (waited > LISTING_TIMEOUT) throw tooSlow(what)
    token = next
  } while (token !== undefined)
}

function fetchPage(
  requests: S3Requests,
  subject: Subject,
  Prefix: string,
  from: string | { readonly startAfter: string | undefined },
): Promise<ListObjectsV2CommandOutput> {
  const place =
    typeof from === 'string'
      ? { ContinuationToken: from }
      : from.startAfter === undefined
        ? {}
        : { StartAfter: from.startAfter }
  return requests.retried(subject, () => async (client, options) => {
    const reply = await client.send(new ListObjectsV2Command({ Bucket: requests.bucket, Prefix, ...place }), options)
    // An empty response, or one of another form, does not prove that there are no objects.
    if (reply.IsTruncated === undefined && reply.KeyCount === undefined) {
      throw unconfirmed(subject.doing, subject.target, 'the reply is no listing')
    }
    return reply
  })
}

function checkKey(object: _Object, prefix: string, what: string): ListedObject {
  const { Key } = object
  if (Key?.startsWith(prefix)) return object as ListedObject
  throw wrongListing(
    what,
    `${Key === undefined ? 'an object without a key' : show(Key)} does not begin with "${prefix}"`,
  )
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
