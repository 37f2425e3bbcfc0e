import { LRUCache } from 'lru-cache'
import { LitestreamError } from '../../errors.js'
import { lowerBound } from '../../util/sorted.js'
import { readMessages, type StreamMessage } from './consumer.js'
import { chunkSubject } from './names.js'
import type { ObjectMeta } from './object-meta.js'
import type { NatsSession } from './session.js'

/** Positions of the chunks of one put in the stream. */
export interface ChunkIndex {
  /** Ascending, possibly with gaps: chunks of other puts and other messages may be in between. */
  readonly sequences: Float64Array
  /** End offset of each chunk in the object, exclusive. */
  readonly ends: Float64Array
}

/** Maximum number of chunks whose positions are cached; 16 bytes each. */
const REMEMBERED = 4_000_000

/**
 * Maximum number of requests for an object's chunks while the server leaves some out, or they are
 * removed.
 */
const MAX_ATTEMPTS = 5

/**
 * The positions of objects' chunks: requested once, without the chunks themselves, and cached. A
 * put, which its NUID identifies, never changes.
 */
export class ChunkIndexes {
  readonly #session: NatsSession
  readonly #known = new LRUCache<string, ChunkIndex>({
    maxSize: REMEMBERED,
    // The index of an object with more chunks uses the whole cache: without it, each read would
    // request all of them again.
    sizeCalculation: (index) => Math.min(REMEMBERED, Math.max(1, index.sequences.length)),
  })

  constructor(session: NatsSession) {
    this.#session = session
  }

  /** Stores the positions that a put has learned from the server's answers. */
  remember(nuid: string, index: ChunkIndex): void {
    this.#known.set(nuid, index)
  }

  forget(nuid: string): void {
    this.#known.delete(nuid)
  }

  /** Undefined if the chunks do not match the description: the object was deleted or replaced. */
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

  /** Undefined if the chunks no longer exist. */
  async #chunksOf(meta: ObjectMeta, signal: AbortSignal | undefined): Promise<readonly StreamMessage[] | undefined> {
    const { bucket, jsm, stream } = this.#session
    const subject = chunkSubject(bucket, meta.nuid)
    const request = { operation: 'LIST', doing: 'locating', name: meta.name, signal } as const
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const options = { filter: subject, start: { sequence: 1 }, headersOnly: true, limit: meta.chunks }
      const { messages } = await readMessages(this.#session, request, options)
      if (messages.length === meta.chunks) return messages
      // Requesting one shows whether the chunks were removed or left out, and makes the server read
      // their block.
      const ask = () => jsm.streams.getMessage(stream, { last_by_subj: subject })
      if ((await this.#session.request(request, ask)) === null) return undefined
    }
    const file = this.#session.label(meta.name)
    throw new LitestreamError('UNAVAILABLE', `the NATS server does not deliver all chunks of ${file}`, {
      file,
      hint: 'Wait: the request is retried automatically. NATS servers before 2.10 omit messages while others write; use a newer server.',
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

/** The number of the chunk that contains the byte at `offset`. */
export function chunkAt({ ends }: ChunkIndex, offset: number): number {
  return lowerBound(ends, offset + 1)
}
