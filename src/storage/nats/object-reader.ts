import { LitestreamError } from '../../errors.js'
import { resolveRange } from '../range.js'
import type { ByteRange, ReadResult, TaggedObject } from '../replica-client.js'
import { type ChunkIndex, type ChunkIndexes, chunkAt } from './chunk-index.js'
import type { MetaStore } from './meta-store.js'
import { chunkSubject } from './names.js'
import { isPresent, type ObjectMeta } from './object-meta.js'
import type { NatsSession } from './session.js'

/** Chunks asked for ahead of a stream's consumer. */
const AHEAD = 4

/** How often a read begins anew because the object was replaced under it. */
const REPLACED_LIMIT = 5

export interface ReadObjectOptions {
  readonly signal?: AbortSignal | undefined
  /** Do not trust what is remembered. */
  readonly fresh?: boolean
  /** Throws where the object is not the one that is wanted. */
  readonly check?: (meta: ObjectMeta) => void
}

/** Reads objects by the chunks that hold what is asked for, and no others. */
export class ObjectReader {
  readonly #session: NatsSession
  readonly #metas: MetaStore
  readonly #indexes: ChunkIndexes

  constructor(session: NatsSession, metas: MetaStore, indexes: ChunkIndexes) {
    this.#session = session
    this.#metas = metas
    this.#indexes = indexes
  }

  async read(name: string, range: ByteRange, options: ReadObjectOptions): Promise<ReadResult> {
    return this.#withMeta(name, options, async (meta) => {
      const { offset, length } = resolveRange(range, meta.size, this.#session.label(name))
      const data = new Uint8Array(length)
      if (length === 0) return { data, offset, fileSize: meta.size }
      const index = await this.#index(meta, options.signal)
      if (index === undefined) return undefined
      const first = chunkAt(index, offset)
      const last = chunkAt(index, offset + length - 1)
      const parts = await Promise.all(
        Array.from({ length: last - first + 1 }, (_, i) => this.#chunk(meta, index, first + i, options.signal)),
      )
      for (const [i, part] of parts.entries()) {
        if (part === undefined) return undefined
        const start = startOf(index, first + i)
        const from = Math.max(0, offset - start)
        const to = Math.min(part.byteLength, offset + length - start)
        data.set(part.subarray(from, to), start + from - offset)
      }
      return { data, offset, fileSize: meta.size }
    })
  }

  /** The object with its version; undefined if there is none. Never from memory. */
  async readWhole(name: string, signal: AbortSignal | undefined): Promise<TaggedObject | undefined> {
    for (let attempt = 0; attempt < REPLACED_LIMIT; attempt++) {
      const stored = await this.#metas.fetch({ operation: 'GET', doing: 'reading', name, signal })
      if (stored === undefined || !isPresent(stored.meta)) return undefined
      const index = await this.#index(stored.meta, signal)
      const parts = await Promise.all(
        Array.from(index?.ends ?? [], (_, i) => this.#chunk(stored.meta, index!, i, signal)),
      )
      if (index !== undefined && parts.every((part) => part !== undefined)) {
        return { data: Buffer.concat(parts), tag: String(stored.seq) }
      }
    }
    throw this.#damaged(name)
  }

  async *stream(name: string, offset: number, options: ReadObjectOptions): AsyncGenerator<Uint8Array, void> {
    const { meta, index } = await this.#withMeta(name, options, async (meta) => {
      resolveRange({ offset }, meta.size, this.#session.label(name))
      const index =
        meta.size === offset
          ? { sequences: new Float64Array(), ends: new Float64Array() }
          : await this.#index(meta, options.signal)
      return index && { meta, index }
    })
    if (meta.size === offset) return
    let next = chunkAt(index, offset)
    const ahead: Promise<Uint8Array | undefined>[] = []
    for (let i = next; i < index.ends.length; i++) {
      for (; next < index.ends.length && ahead.length < AHEAD; next++) {
        const chunk = this.#chunk(meta, index, next, options.signal)
        // It may fail before it is waited for, and then nobody waits for it if the consumer stops.
        chunk.catch(() => undefined)
        ahead.push(chunk)
      }
      const chunk = await ahead.shift()
      if (chunk === undefined) throw this.#gone(name)
      yield chunk.subarray(Math.max(0, offset - startOf(index, i)))
    }
  }

  /**
   * Runs `act`, which returns undefined when the object turned out to be no longer as described, with what is known of the object, and
   * then with what the server says.
   */
  async #withMeta<T>(
    name: string,
    options: ReadObjectOptions,
    act: (meta: ObjectMeta) => Promise<T | undefined>,
  ): Promise<T> {
    for (let attempt = 0; attempt < REPLACED_LIMIT; attempt++) {
      const known = attempt === 0 && !options.fresh ? this.#metas.remembered(name) : undefined
      const stored =
        known ?? (await this.#metas.fetch({ operation: 'HEAD', doing: 'reading', name, signal: options.signal }))
      if (stored === undefined || !isPresent(stored.meta)) throw this.#gone(name)
      options.check?.(stored.meta)
      if (options.fresh && attempt === 0) this.#indexes.forget(stored.meta.nuid)
      const result = await act(stored.meta)
      if (result !== undefined) return result
      this.#indexes.forget(stored.meta.nuid)
    }
    throw this.#damaged(name)
  }

  /** Of an object of one chunk, the place needs not be known: its subject names it. */
  async #index(meta: ObjectMeta, signal: AbortSignal | undefined): Promise<ChunkIndex | undefined> {
    if (meta.chunks === 1) return { sequences: Float64Array.of(0), ends: Float64Array.of(meta.size) }
    return this.#indexes.of(meta, signal)
  }

  /** Undefined if it is not there. What comes is what was asked for: subject and size are checked. */
  #chunk(
    meta: ObjectMeta,
    index: ChunkIndex,
    i: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    const { bucket, stream, jsm, counters } = this.#session
    const subject = chunkSubject(bucket, meta.nuid)
    const seq = index.sequences[i]!
    const size = index.ends[i]! - startOf(index, i)
    return this.#session.request({ operation: 'GET', doing: 'reading', name: meta.name, signal }, async () => {
      const query = seq === 0 ? { last_by_subj: subject } : { seq }
      const found =
        (this.#session.direct ? await jsm.direct.getMessage(stream, query) : null) ??
        // A replica of the stream may lag behind; its leader knows.
        (await jsm.streams.getMessage(stream, query))
      if (found === null || (seq !== 0 && found.seq !== seq)) return undefined
      const data = found.data
      if (found.subject !== subject || data.byteLength !== size) return undefined
      counters.bytes('GET', data.byteLength)
      return data
    })
  }

  #damaged(name: string): LitestreamError {
    return new LitestreamError('STORAGE_FAILED', `${this.#session.label(name)} is damaged: chunks of it are missing`, {
      file: this.#session.label(name),
    })
  }

  #gone(name: string): LitestreamError {
    return new LitestreamError('NOT_FOUND', `${this.#session.label(name)} does not exist`, {
      file: this.#session.label(name),
    })
  }
}

function startOf(index: ChunkIndex, i: number): number {
  return i === 0 ? 0 : index.ends[i - 1]!
}
