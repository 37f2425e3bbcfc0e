import { type Download, download as downloadObject, type FoundCheck } from '../http-download.js'
import type { ByteRange } from '../replica-client.js'
import type { ObjectStore } from './object-store.js'
import type { Requests, Subject } from './requests.js'

/** Downloads a range of an object from an ObjectStore. */
export function download(
  store: ObjectStore,
  requests: Requests,
  subject: Subject,
  key: string,
  range: ByteRange,
  check?: FoundCheck,
): Download {
  const { policy, closing, counters } = requests
  return downloadObject(range, {
    ...subject,
    policy,
    closing,
    counters,
    check,
    versioned: true,
    toError: (error) => requests.typed(error, subject),
    get: (asked, version) => requests.once(subject, (signal) => store.get(key, asked, version, signal)),
  })
}
