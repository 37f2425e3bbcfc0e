import { readMessages } from './consumer.js'
import { allMetaSubjects, chunkSubject } from './names.js'
import { parseMeta } from './object-meta.js'
import type { NatsSession } from './session.js'
import { infoWithSubjects } from './stream-subjects.js'

/**
 * If no new chunk arrives for this many milliseconds, the writer of an incomplete object is assumed
 * to be dead.
 */
export const ABANDONED_AFTER = 60 * 60_000

/**
 * Removes the chunks of objects without metadata in the whole bucket. Such chunks come from writers
 * that died before they published the metadata. Returns the number of objects whose chunks were
 * removed.
 */
export async function sweepAbandonedChunks(
  session: NatsSession,
  olderThan: number,
  signal?: AbortSignal,
): Promise<number> {
  const { bucket, jsm, stream } = session
  const request = { operation: 'LIST', doing: 'sweeping', signal } as const
  // Lists the chunks first and the metadata second. If an object becomes visible between the two
  // listings, the listing of the metadata contains the object.
  const { state, subjects: written } = await infoWithSubjects(session, request, chunkSubject(bucket, '>'))
  if (written.length === 0) return 0
  const filter = allMetaSubjects(bucket)
  const metas = await readMessages(session, request, { filter, start: 'latest-of-each', upTo: state.last_seq })
  const visible = new Set<string>()
  const delivered = new Set<string>()
  for (const { subject, data } of metas.messages) {
    const meta = parseMeta(data)
    // Chunks of an object with damaged metadata look like abandoned chunks. If any metadata is
    // damaged, sweepAbandonedChunks() removes nothing.
    if (meta === undefined || meta.fault !== undefined) return 0
    visible.add(chunkSubject(bucket, meta.nuid))
    delivered.add(subject)
  }
  // The listing lacks the metadata of an object if another client has just replaced the metadata,
  // or if the server has left the metadata out. If metadata is missing from the listing, any of the
  // chunks may belong to the object of the missing metadata.
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
