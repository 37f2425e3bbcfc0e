import { readMessages } from './consumer.js'
import { allMetaSubjects, chunkSubject } from './names.js'
import { parseMeta } from './object-meta.js'
import type { NatsSession } from './session.js'
import { infoWithSubjects } from './stream-subjects.js'

/**
 * Milliseconds after its last chunk at which an invisible write is assumed to belong to a dead
 * process.
 */
export const ABANDONED_AFTER = 60 * 60_000

/**
 * Removes chunks without a description, left by dead writers anywhere in the bucket. Returns the
 * number of objects whose chunks it removed.
 */
export async function sweepAbandonedChunks(
  session: NatsSession,
  olderThan: number,
  signal?: AbortSignal,
): Promise<number> {
  const { bucket, jsm, stream } = session
  const request = { operation: 'LIST', doing: 'sweeping', signal } as const
  // Lists the chunks first, then the descriptions: objects that become visible in between are among
  // the latter.
  const { state, subjects: written } = await infoWithSubjects(session, request, chunkSubject(bucket, '>'))
  if (written.length === 0) return 0
  const filter = allMetaSubjects(bucket)
  const metas = await readMessages(session, request, { filter, start: 'latest-of-each', upTo: state.last_seq })
  const visible = new Set<string>()
  const delivered = new Set<string>()
  for (const { subject, data } of metas.messages) {
    const meta = parseMeta(data)
    // The chunks of an object with a damaged description cannot be distinguished from abandoned
    // ones.
    if (meta === undefined || meta.fault !== undefined) return 0
    visible.add(chunkSubject(bucket, meta.nuid))
    delivered.add(subject)
  }
  // A description that was left out, or was replaced meanwhile, may belong to any of them.
  const { subjects } = await infoWithSubjects(session, request, filter)
  if (subjects.some((subject) => !delivered.has(subject))) return 0
  let removed = 0
  for (const filter of written) {
    if (visible.has(filter)) continue
    const { messages } = await readMessages(session, request, { filter, start: 'latest-of-each', headersOnly: true })
    const last = messages.at(-1)
    if (last === undefined || last.storedAt > Date.now() - olderThan) continue
    await session.request({ ...request, operation: 'DELETE' }, () => jsm.streams.purge(stream, { filter }))
    removed += 1
  }
  return removed
}
