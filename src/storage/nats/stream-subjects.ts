import type { StreamInfo } from '@nats-io/jetstream'
import type { NatsSession, Request } from './session.js'

/**
 * Whether deliveries of this server must be compared with the subjects of the stream. Servers
 * before 2.10 leave messages out of a delivery, and of its counts, if they are older than the cache
 * of the newest block while a client writes to that block. Measured with 2.9.10: 1,661 of 1,761
 * listings beside three writers lacked files; with 2.10.27 none of 2,162 did.
 */
export function leavesOut({ connection }: NatsSession): boolean {
  const [major, minor] = (connection.info?.version ?? '').split('.').map(Number)
  return !(major !== undefined && minor !== undefined && (major > 2 || (major === 2 && minor >= 10)))
}

export interface InfoWithSubjects extends Pick<StreamInfo, 'created' | 'state'> {
  readonly subjects: readonly string[]
}

/**
 * The current state of the stream, with the subjects that have messages and match `filter`. The
 * server has them in memory, or reads a whole block for them, so they are complete even if
 * deliveries are not.
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
