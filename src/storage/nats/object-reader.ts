import { LitestreamError, toLitestreamError } from '../../errors.js'
import { linkAbort, throwIfAborted } from '../../util/abort.js'
import { runAll } from '../../util/run-all.js'
import { allowanceFor } from '../body-reader.js'
import { PacedBody } from '../paced-body.js'
import { resolveRange } from '../range.js'
import type { ByteRange, ReadResult, TaggedObject } from '../replica-client.js'
import { checkTaggedSize } from '../tagged-size.js'
import { type ChunkIndex, type ChunkIndexes, chunkAt } from './chunk-index.js'
import { readMessages } from './consumer.js'
import type { MetaStore } from './meta-store.js'
import { chunkSubject } from './names.js'
import { checkMeta, isPresent, type ObjectMeta } from './object-meta.js'
import type { NatsSession } from './session.js'

/**
 * Maximum number of chunks that the reader requests with one request per chunk. The requests for
 * single chunks run in parallel. For more than ONE_BY_ONE chunks, the reader uses a consumer. For
 * many chunks, a consumer costs less than one request per chunk.
 */
const ONE_BY_ONE = 16

/**
 * Number of bytes in one window of a stream. The reader requests the bytes of one window together.
 * The reader requests the next window while its caller processes the current one.
 */
const WINDOW = 4 * 1024 * 1024

/**
 * Size in bytes of the pieces that a stream yields. Other NATS clients use chunks of the same size.
 */
const PIECE = 128 * 1024

/**
 * Number of chunks that the reader requests in parallel after the server left them out of a
 * delivery.
 */
const LEFT_OUT_CONCURRENCY = 8

/** Maximum number of times that a read starts again because the object was replaced. */
const REPLACED_LIMIT = 5

export interface ReadObjectOptions {
  readonly signal?: AbortSignal | undefined
  /** Whether the read ignores cached metadata and requests the metadata from the server. */
  readonly fresh?: boolean
  /** Throws if the found object is not the expected one. */
  readonly check?: (meta: ObjectMeta) => void
}

/** Reads objects of a bucket. Requests only the chunks that contain the requested bytes. */
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
      if (length === 0) return { data: new Uint8Array(), offset, fileSize: meta.size }
      const index = await this.#index(meta, options.signal)
      if (index === undefined) return undefined
      const first = chunkAt(index, offset)
      const last = chunkAt(index, offset + length - 1)
      const parts = await this.#chunks(meta, index, first, last, options.signal)
      if (parts === undefined) return undefined
      const data = new Uint8Array(length)
      for (const [i, part] of parts.entries()) {
        const start = startOf(index, first + i)
        const from = Math.max(0, offset - start)
        const to = Math.min(part.byteLength, offset + length - start)
        data.set(part.subarray(from, to), start + from - offset)
      }
      return { data, offset, fileSize: meta.size }
    })
  }

  /**
   * Reads a whole object, with metadata from the server instead of the cache. Returns the content
   * and the version of the object, or undefined if the object does not exist.
   */
  async readWhole(name: string, signal: AbortSignal | undefined): Promise<TaggedObject | undefined> {
    for (let attempt = 0; attempt < REPLACED_LIMIT; attempt++) {
      const stored = await this.#metas.fetch({ operation: 'GET', doing: 'reading', name, signal })
      if (stored === undefined || !isPresent(stored.meta)) return undefined
      checkMeta(stored.meta, this.#session.label(name))
      checkTaggedSize(stored.meta.size, this.#session.label(name))
      const index = await this.#index(stored.meta, signal)
      const parts = index && (await this.#chunks(stored.meta, index, 0, index.ends.length - 1, signal))
      if (parts !== undefined) return { data: Buffer.concat(parts), tag: String(stored.seq) }
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
    yield* this.#paced(meta, meta.size - offset, options.signal, (signal) => this.#pieces(meta, index, offset, signal))
  }

  /**
   * Yields the same bytes as `read`, with limits on the waiting time. Throws TIMEOUT if all waits
   * together take longer than the budget of the policy plus 1 s per KiB, or if no byte arrives
   * during `idleTimeout`.
   */
  async *#paced(
    { name }: ObjectMeta,
    bytes: number,
    signal: AbortSignal | undefined,
    read: (signal: AbortSignal) => AsyncGenerator<Uint8Array, void>,
  ): AsyncGenerator<Uint8Array, void> {
    const { policy, closing } = this.#session
    const abort = new AbortController()
    const unlink = linkAbort(signal, abort)
    const chunks = read(abort.signal)
    const body = new PacedBody(
      { chunks, cancel: (error) => abort.abort(error), close: async () => void (await chunks.return()) },
      {
        what: `reading ${this.#session.label(name)}`,
        // Each request already fails with its own error after all its attempts, which take less
        // time than `idleTimeout`.
        idleTimeout: policy.budget + 2 * policy.firstByteTimeout,
        allowance: allowanceFor(bytes, policy),
        signal,
        closing,
        toError: toLitestreamError,
      },
    )
    try {
      for (let chunk = await body.next(); chunk !== undefined; chunk = await body.next()) yield chunk
    } finally {
      await body.close()
      unlink()
    }
  }

  /**
   * Yields the bytes of an object from `offset` on. Requests the next window while the consumer
   * processes the current one.
   */
  async *#pieces(
    meta: ObjectMeta,
    index: ChunkIndex,
    offset: number,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void> {
    const fetch = (first: number) => {
      if (first >= index.ends.length) return undefined
      const last = chunkAt(index, Math.min(meta.size, startOf(index, first) + WINDOW) - 1)
      const chunks = this.#chunks(meta, index, first, last, signal)
      // The promise `chunks` may reject before the generator awaits it. If the consumer stops
      // early, the generator never awaits the promise.
      chunks.catch(() => undefined)
      return { first, last, chunks }
    }
    for (let window = fetch(chunkAt(index, offset)); window !== undefined; ) {
      const { first, last } = window
      const chunks = await window.chunks
      if (chunks === undefined) throw this.#gone(meta.name)
      window = fetch(last + 1)
      const data = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
      for (let at = Math.max(0, offset - startOf(index, first)); at < data.byteLength; at += PIECE) {
        throwIfAborted(signal, `reading ${this.#session.label(meta.name)}`)
        yield data.subarray(at, at + PIECE)
      }
    }
  }

  /**
   * Calls `act` with the cached metadata of an object. If `act` returns undefined because the
   * object has changed, calls `act` again with metadata from the server.
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
      checkMeta(stored.meta, this.#session.label(name))
      options.check?.(stored.meta)
      if (options.fresh && attempt === 0) this.#indexes.forget(stored.meta.nuid)
      const result = await act(stored.meta)
      if (result !== undefined) return result
      this.#indexes.forget(stored.meta.nuid)
    }
    throw this.#damaged(name)
  }

  /**
   * Returns the positions of the object's chunks in the stream. An object of one chunk needs no
   * request, because the subject identifies its chunk.
   */
  async #index(meta: ObjectMeta, signal: AbortSignal | undefined): Promise<ChunkIndex | undefined> {
    if (meta.chunks === 1) return { sequences: Float64Array.of(0), ends: Float64Array.of(meta.size) }
    return this.#indexes.of(meta, signal)
  }

  /**
   * Returns the chunks from `first` to `last` in order, or undefined if one of these chunks does
   * not exist.
   */
  async #chunks(
    meta: ObjectMeta,
    index: ChunkIndex,
    first: number,
    last: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array[] | undefined> {
    const found: (Uint8Array | undefined)[] = new Array(Math.max(0, last - first + 1))
    if (found.length > ONE_BY_ONE) await this.#deliver(meta, index, first, found, signal)
    const missing = Array.from(found.keys()).filter((i) => found[i] === undefined)
    const concurrency = found.length > ONE_BY_ONE ? LEFT_OUT_CONCURRENCY : ONE_BY_ONE
    await runAll(
      concurrency,
      missing.map((i) => async () => {
        found[i] = await this.#chunk(meta, index, first + i, signal)
      }),
    )
    return found.some((chunk) => chunk === undefined) ? undefined : (found as Uint8Array[])
  }

  /**
   * Reads chunks from number `first` on with a consumer, and stores them in `found`. Checks
   * sequence and size of each chunk. Chunks that the server leaves out stay undefined.
   */
  async #deliver(
    meta: ObjectMeta,
    index: ChunkIndex,
    first: number,
    found: (Uint8Array | undefined)[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { sequences, ends } = index
    const request = { operation: 'GET', doing: 'reading', name: meta.name, signal } as const
    const { messages } = await readMessages(this.#session, request, {
      filter: chunkSubject(this.#session.bucket, meta.nuid),
      start: { sequence: sequences[first]! },
      upTo: sequences[first + found.length - 1]!,
    })
    let at = 0
    for (const { seq, data } of messages) {
      while (at < found.length && sequences[first + at]! < seq) at++
      if (at === found.length) return
      const size = ends[first + at]! - startOf(index, first + at)
      if (sequences[first + at] === seq && data.byteLength === size) found[at] = data
    }
  }

  /**
   * Requests one chunk, and checks its subject and size. Returns undefined if the chunk does not
   * exist.
   */
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
        // A server that holds a copy of the stream may lag behind the leader of the stream. A chunk
        // is therefore missing only if the leader of the stream does not have it.
        (await jsm.streams.getMessage(stream, query))
      if (found === null || (seq !== 0 && found.seq !== seq)) return undefined
      const data = found.data
      if (found.subject !== subject || data.byteLength !== size) return undefined
      counters.bytes('GET', data.byteLength)
      return data
    })
  }

  #damaged(name: string): LitestreamError {
    return new LitestreamError(
      'STORAGE_FAILED',
      `${this.#session.label(name)} is damaged: chunks of the object are missing`,
      {
        file: this.#session.label(name),
      },
    )
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
