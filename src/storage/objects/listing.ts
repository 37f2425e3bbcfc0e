import { pagedListing } from '../paged-listing.js'
import type { ObjectStore, StoredObject } from './object-store.js'
import type { Requests, Subject } from './requests.js'

/**
 * Lists the objects whose keys begin with `prefix` and sort at or after `from`. The listing has the
 * guarantees that pagedListing() documents.
 */
export async function* listObjects(
  store: ObjectStore,
  requests: Requests,
  subject: Subject,
  prefix: string,
  from?: string,
): AsyncGenerator<StoredObject> {
  const page = (token: string | undefined) => {
    const place = token === undefined ? { from } : { from, token }
    return requests.retried(subject, () => (signal) => store.listPage(prefix, place, signal))
  }
  for await (const object of pagedListing(prefix, `${subject.doing} ${subject.target}`, page, ({ key }) => key)) {
    if (from === undefined || object.key >= from) yield object
  }
}
