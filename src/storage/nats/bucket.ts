import { StorageType } from '@nats-io/jetstream'
import { Objm } from '@nats-io/obj'
import { natsError } from './errors.js'
import type { NatsSession } from './session.js'

/** Looks whether the bucket is there, and makes it if that was asked for; else NOT_FOUND. */
export async function openBucket(
  session: NatsSession,
  create: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  const request = { operation: 'HEAD', doing: 'opening', signal } as const
  const config = await session.request(request, async () => {
    if (create) {
      const options = { storage: StorageType.File, replicas: 1 }
      await new Objm(session.js).create(session.bucket, options)
    }
    return (await session.jsm.streams.info(session.stream)).config
  })
  if (!config.subjects?.includes(`$O.${session.bucket}.M.>`)) {
    throw natsError(new Error(`the stream ${session.stream} is not an object store`), 'opening', session.label())
  }
  session.direct = config.allow_direct === true
}
