import type { _Object } from '@aws-sdk/client-s3'
import { ListObjectsV2Command } from './aws.js'
import { unconfirmed } from './errors.js'
import type { S3Requests, Subject } from './requests.js'

/** The objects whose keys begin with `prefix`, in the order of their keys; each page is asked for only when it is wanted. */
export async function* listObjects(
  requests: S3Requests,
  subject: Subject,
  prefix: string,
  startAfter?: string,
): AsyncGenerator<_Object> {
  let token: string | undefined
  do {
    const input = {
      Bucket: requests.bucket,
      Prefix: prefix,
      ...(token ? { ContinuationToken: token } : startAfter !== undefined ? { StartAfter: startAfter } : {}),
    }
    const page = await requests.retried(subject, () => async (client, options) => {
      const reply = await client.send(new ListObjectsV2Command(input), options)
      // Whatever answered with nothing, or with something else, has not said that there is nothing.
      if (reply.IsTruncated === undefined && reply.KeyCount === undefined) {
        throw unconfirmed(subject.doing, subject.target, 'the reply is no listing')
      }
      return reply
    })
    yield* page.Contents ?? []
    token = page.IsTruncated ? page.NextContinuationToken : undefined
  } while (token !== undefined)
}
