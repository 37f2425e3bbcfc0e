import { isNoBucket, isStreamThere, natsError } from './errors.js'
import { Objm, StorageType } from './library.js'
import type { NatsSession } from './session.js'

/**
 * Creates the bucket if it does not exist. Returns the server's error if a stream with the bucket's
 * name or subjects already exists. The server also reports this error if several clients create the
 * same bucket at the same moment.
 */
async function makeBucket(session: NatsSession): Promise<unknown> {
  try {
    await new Objm(session.js).create(session.bucket, { storage: StorageType.File, replicas: 1 })
  } catch (error) {
    if (!isStreamThere(error)) throw error
    return error
  }
}

/**
 * Checks that the bucket exists. Creates a missing bucket if `create` is true, otherwise throws
 * NOT_FOUND.
 */
export async function openBucket(
  session: NatsSession,
  create: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  const request = { operation: 'HEAD', doing: 'opening', signal } as const
  const config = await session.request(request, async () => {
    const lost = create ? await makeBucket(session) : undefined
    try {
      return (await session.jsm.streams.info(session.stream)).config
    } catch (error) {
      // The bucket does not exist, although the server refused to create it. Another stream
      // therefore occupies the subjects of the bucket.
      throw lost !== undefined && isNoBucket(error) ? lost : error
    }
  })
  if (!config.subjects?.includes(`$O.${session.bucket}.M.>`)) {
    throw natsError(new Error(`the NATS stream ${session.stream} is not an object store`), 'opening', session.label())
  }
  session.direct = config.allow_direct === true
}
