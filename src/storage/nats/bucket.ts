import { isNoBucket, isStreamThere, natsError } from './errors.js'
import { Objm, StorageType } from './library.js'
import type { NatsSession } from './session.js'

/**
 * Creates the bucket if it does not exist. If several clients create it at the same moment, the
 * server reports to all but the first that its subjects overlap with another stream's, or that its
 * name is taken; that error is returned, although the bucket exists.
 */
async function makeBucket(session: NatsSession): Promise<unknown> {
  try {
    await new Objm(session.js).create(session.bucket, { storage: StorageType.File, replicas: 1 })
  } catch (error) {
    if (!isStreamThere(error)) throw error
    return error
  }
}

/** Checks that the bucket exists, and creates it if requested; otherwise throws NOT_FOUND. */
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
      // The conflict was not with a bucket of this name.
      throw lost !== undefined && isNoBucket(error) ? lost : error
    }
  })
  if (!config.subjects?.includes(`$O.${session.bucket}.M.>`)) {
    throw natsError(new Error(`the stream ${session.stream} is not an object store`), 'opening', session.label())
  }
  session.direct = config.allow_direct === true
}
