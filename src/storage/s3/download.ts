import type { Readable } from 'node:stream'
import { type Download, download as downloadObject, type FoundCheck } from '../http-download.js'
import { rangeHeader } from '../http-range.js'
import type { ByteRange } from '../replica-client.js'
import { GetObjectCommand } from './aws.js'
import type { S3Requests, Subject } from './requests.js'

/**
 * Downloads a range of an object. The version of the object is its entity tag in the form in which
 * the store writes it.
 */
export function download(
  requests: S3Requests,
  subject: Subject,
  key: string,
  range: ByteRange,
  check?: FoundCheck,
): Download {
  const { bucket: Bucket, customerKey, policy, closing, counters } = requests
  return downloadObject(range, {
    ...subject,
    policy,
    closing,
    counters,
    check,
    versioned: true,
    toError: (error) => requests.typed(error, subject),
    get: async (asked, version) => {
      const condition = version === undefined ? {} : { IfMatch: version }
      const input = { Bucket, Key: key, Range: rangeHeader(asked), ...customerKey, ...condition }
      const reply = await requests.once(subject, (client, options) => client.send(new GetObjectCommand(input), options))
      const { Body, ETag, ContentRange: contentRange, ContentLength: contentLength } = reply
      return { body: Body as Readable, version: ETag, contentRange, contentLength }
    },
  })
}
