import type { StreamInfo } from '@nats-io/jetstream'
import type { NatsSession, Request } from './session.js'

/**
 * Whether a reader must compare this server's deliveries with the subjects of the stream. While a
 * client writes to the newest block of the stream, servers before 2.10 omit the messages that are
 * older than the cache of that block. The omitted messages are missing both from the deliveries and
 * from the server's message counts. In a measurement with NATS 2.9.10 and three concurrent writers,
 * 1,661 of 1,761 listings lacked files. With NATS 2.10.27, none of 2,162 listings lacked files.
 */
export function leavesOut({ connection }: NatsSession): boolean {
  const [major, minor] = (connection.info?.version ?? '').split('.').map(Number)
  return !(major !== undefined && minor !== undefined && (major > 2 || (major === 2 && minor >= 10)))
}

export interface InfoWithSubjects extends Pick<StreamInfo, 'created' | 'state'> {
  readonly subjects: readonly string[]
}

/**
 * Returns the current state of the stream. The state lists the subjects that match `filter` and
 * have messages. The server takes the subjects from memory or reads a whole block of the stream to
 * find them. The list of subjects is therefore complete even if deliveries omit messages.
 */
export async function infoWithSubjects(
  session: NatsSession,
  request: Request,
  filter: string,
): Promise<InfoWithSubjects> {
  const { jsm, stream } = session
  const info = await session.request(request, () => jsm.streams.info(stream, { subjects_filter: filter }))
  return { created: info.created, state: info.state, subjects: Object.keys(info.state.subjects ?? {}) }
}
