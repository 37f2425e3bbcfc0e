import { LRUCache } from 'lru-cache'
import { LitestreamError } from '../../errors.js'
import { lowerBound } from '../../util/sorted.js'
import { readMessages, type StreamMessage } from './consumer.js'
import { chunkSubject } from './names.js'
import type { ObjectMeta } from './object-meta.js'
import type { NatsSession } from './session.js'

/** Positions in the NATS stream of the chunks of one put of an object. */
export interface ChunkIndex {
  /**
   * Sequence number of each chunk in the stream, ascending. Messages of other puts may lie between
   * two chunks of this put.
   */
  readonly sequences: Float64Array
  /** End offset of each chunk in the object, exclusive. */
  readonly ends: Float64Array
}

/** Maximum number of chunks whose positions are cached. Each cached position takes 16 bytes. */
const REMEMBERED = 4_000_000

/**
 * Maximum number of attempts to get the positions of an object's chunks. The client tries again if
 * the server leaves chunks out, or if another client removes chunks meanwhile.
 */
const MAX_ATTEMPTS = 5

/**
 * A cache of the positions of objects' chunks. The client requests the positions of an object's
 * chunks once, without the content of the chunks. The cached positions stay valid, because each put
 * of an object has its own NUID and never changes.
 */
export class ChunkIndexes {
  readonly #session: NatsSession
  readonly #known = new LRUCache<string, ChunkIndex>({
    maxSize: REMEMBERED,
    // If an object has more chunks than the cache may hold, its positions count as exactly the
    // cache limit, so that they are cached. Without caching, each read of such an object would
    // request all positions again.
    sizeCalculation: (index) => Math.min(REMEMBERED, Math.max(1, index.sequences.length)),
  })

  constructor(session: NatsSession) {
    this.#session = session
  }

  /**
   * Stores the positions of the chunks of a finished put. The server's acknowledgements of a put
   * contain the positions of its chunks.
   */
  remember(nuid: string, index: ChunkIndex): void {
    this.#known.set(nuid, index)
  }

  forget(nuid: string): void {
    this.#known.delete(nuid)
  }

  /**
   * Returns the positions of the object's chunks, or undefined if the object was deleted or
   * replaced. Throws STORAGE_FAILED if the chunks do not have the size in the metadata.
   */
  async of(meta: ObjectMeta, signal: AbortSignal | undefined): Promise<ChunkIndex | undefined> {
    const known = this.#known.get(meta.nuid)
    if (known !== undefined) return known
    const messages = await this.#chunksOf(meta, signal)
    if (messages === undefined) return undefined
    const index = buildIndex(
      messages.map(({ seq }) => seq),
      messages.map(({ size }) => size),
    )
    if ((index.ends.at(-1) ?? 0) !== meta.size) {
      throw new LitestreamError(
        'STORAGE_FAILED',
        `${this.#session.label(meta.name)} is damaged: its chunks do not have ${meta.size} bytes`,
        {
          file: this.#session.label(meta.name),
          offset: index.ends.at(-1),
        },
      )
    }
    this.#known.set(meta.nuid, index)
    return index
  }

  /** Returns the headers of the object's chunks, or undefined if the chunks no longer exist. */
  async #chunksOf(meta: ObjectMeta, signal: AbortSignal | undefined): Promise<readonly StreamMessage[] | undefined> {
    const { bucket, jsm, stream } = this.#session
    const subject = chunkSubject(bucket, meta.nuid)
    const request = { operation: 'LIST', doing: 'locating', name: meta.name, signal } as const
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const options = { filter: subject, start: { sequence: 1 }, headersOnly: true, limit: meta.chunks }
      const { messages } = await readMessages(this.#session, request, options)
      if (messages.length === meta.chunks) return messages
      // Requests the last chunk of the object. The response shows whether the chunks were removed,
      // or whether the server only left them out of the delivery. The request also makes the server
      // load the part of the stream that contains the chunks.
      const ask = () => jsm.streams.getMessage(stream, { last_by_subj: subject })
      if ((await this.#session.request(request, ask)) === null) return undefined
    }
    const file = this.#session.label(meta.name)
    throw new LitestreamError('UNAVAILABLE', `the NATS server does not deliver all chunks of ${file}`, {
      file,
      hint: 'Wait: the request is retried automatically. Update a NATS server older than 2.10: such a server can omit messages while others are written.',
    })
  }
}

export function buildIndex(sequences: readonly number[], sizes: readonly number[]): ChunkIndex {
  let end = 0
  const ends = Float64Array.from(sizes, (size) => {
    end += size
    return end
  })
  return { sequences: Float64Array.from(sequences), ends }
}

/** Returns the number of the chunk that contains the byte at `offset`. */
export function chunkAt({ ends }: ChunkIndex, offset: number): number {
  return lowerBound(ends, offset + 1)
}
