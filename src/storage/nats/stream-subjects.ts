import type { StreamInfo } from '@nats-io/jetstream'
import type { NatsSession, Request } from './session.js'

/**
 * Whether deliveries of this server are to be checked against the subjects of the stream. A server before 2.10 leaves messages out of
 * what a consumer is to deliver, and of its counts: those that are older than its cache of the newest block, where somebody writes to
 * that block. Measured with 2.9.10: 1,661 of 1,761 listings beside three writers lacked files; with 2.10.27 none of 2,162 did.
 */
export function leavesOut({ connection }: NatsSession): boolean {
  const [major, minor] = (connection.info?.version ?? '').split('.').map(Number)
  return !(major !== undefined && minor !== undefined && (major > 2 || (major === 2 && minor >= 10)))
}

export interface InfoWithSubjects extends Pick<StreamInfo, 'created' | 'state'> {
  readonly subjects: readonly string[]
}

/**
 * The stream as it is, with the subjects that it has messages of and that match `filter`. The server has them in memory, or reads all
 * of a block to know them: they are complete also where deliveries are not.
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
