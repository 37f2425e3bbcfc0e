import { createHash } from 'node:crypto'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { throwIfAborted } from '../../util/abort.js'
import { timeoutSignal } from '../../util/timers.js'
import { ABANDONED_AFTER } from './abandoned-chunks.js'
import { buildIndex, type ChunkIndexes } from './chunk-index.js'
import { headers, JetStreamApiError, nuid } from './library.js'
import type { MetaStore } from './meta-store.js'
import { chunkSubject, metaSubject } from './names.js'
import { deletedMeta, isPresent, newMeta, type ObjectMeta, type StoredMeta } from './object-meta.js'
import type { NatsSession, Request } from './session.js'
import { WriteAttempts, WritersCollide } from './write-attempts.js'

/** Chunk size in bytes. All NATS clients use chunks of this size. */
const CHUNK = 128 * 1024

/** Number of bytes of a message that are reserved for its headers. */
const HEADROOM = 1024

/** JetStream's error code for a sequence that has no message. */
const NO_MESSAGE = 10043

/** Timeout in milliseconds for removing unreferenced chunks. */
const DISCARD_TIMEOUT = 5_000

/**
 * The condition of a write. `absent` means that no object may have this name. `seq` is the version
 * that the existing object must have. `any` means no condition.
 */
export type Expected = 'absent' | 'any' | { readonly seq: number }

/**
 * Writes and deletes objects. The writer publishes the chunks first. One conditional message with
 * the metadata then makes the object visible. If several writers write the same object, only one of
 * them can publish the metadata message.
 */
export class ObjectWriter {
  readonly #session: NatsSession
  readonly #metas: MetaStore
  readonly #indexes: ChunkIndexes
  /**
   * Whether the chunks of a failed upload stay in the bucket. The chunks must stay if the user may
   * have no permission to delete.
   */
  readonly #keepsChunks: boolean

  constructor(session: NatsSession, metas: MetaStore, indexes: ChunkIndexes, keepsChunks: boolean) {
    this.#keepsChunks = keepsChunks
    this.#session = session
    this.#metas = metas
    this.#indexes = indexes
  }

  /**
   * Writes an object. If the condition does not hold, removes the uploaded chunks and throws
   * PRECONDITION_FAILED.
   */
  async put(
    name: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options: { readonly expected: Expected; readonly timestamp?: number; readonly signal?: AbortSignal | undefined },
  ): Promise<StoredMeta> {
    const { bucket, connection, counters } = this.#session
    const request = { operation: 'PUT', doing: 'writing', name, signal: options.signal } as const
    const id = nuid.next()
    const subject = chunkSubject(bucket, id)
    const chunkSize = Math.min(CHUNK, (connection.info?.max_payload ?? CHUNK + HEADROOM) - HEADROOM)
    const hash = createHash('sha256')
    const sequences: number[] = []
    const sizes: number[] = []
    let chunksOnly = true
    let lastChunkAt = Date.now()
    try {
      for await (const chunk of rechunked(body, chunkSize)) {
        throwIfAborted(options.signal, `writing ${this.#session.label(name)}`)
        hash.update(chunk)
        sequences.push(await this.#publishChunk(request, subject, chunk, sequences.at(-1) ?? 0))
        sizes.push(chunk.byteLength)
        lastChunkAt = Date.now()
        counters.bytes('PUT', chunk.byteLength)
      }
      const index = buildIndex(sequences, sizes)
      const meta = newMeta(
        {
          name,
          options: { max_chunk_size: chunkSize },
          bucket,
          nuid: id,
          size: index.ends.at(-1) ?? 0,
          mtime: new Date().toISOString(),
          chunks: sizes.length,
          digest: `SHA-256=${hash.digest('base64').replaceAll('+', '-').replaceAll('/', '_')}`,
          deleted: false,
        } as ObjectMeta & { digest: string },
        options.timestamp,
      )
      // If the final chunk is older than half of ABANDONED_AFTER, another process may soon remove
      // the chunks as abandoned.
      if (Date.now() - lastChunkAt > ABANDONED_AFTER / 2) throw this.#stalled(name)
      chunksOnly = false
      const { stored, replaced } = await this.#publishMeta(request, meta, options.expected)
      this.#indexes.remember(id, index)
      if (replaced !== undefined) await this.#discard(name, replaced.meta.nuid)
      return stored
    } catch (error) {
      // If the writer does not know whether the metadata was published, the object may need its
      // chunks, so they must stay.
      const refused = isLitestreamError(error, 'PRECONDITION_FAILED') || error instanceof WritersCollide
      const invisible = chunksOnly || refused
      if (invisible && sequences.length > 0) await this.#discard(name, id)
      throw error
    }
  }

  /** Deletes an object. A missing object counts as deleted if `expected` is `any`. */
  async delete(name: string, expected: Exclude<Expected, 'absent'>, signal: AbortSignal | undefined): Promise<void> {
    const request = { operation: 'DELETE', doing: 'deleting', name, signal } as const
    const attempts = this.#attempts(request)
    for (;;) {
      attempts.next()
      const stored = await this.#current(request, expected)
      if (stored === undefined || stored.meta.deleted) return
      const marker = deletedMeta(stored.meta)
      const seq = await this.#publishIf(request, marker, stored.seq)
      this.#metas.forget(name)
      if (seq !== undefined) {
        this.#metas.remember({ seq, meta: marker })
        await this.#purge(request, stored.meta.nuid)
        return
      }
    }
  }

  /**
   * Returns the metadata of the object that has this name, from the cache if possible. Throws
   * PRECONDITION_FAILED if the existing object does not match the condition `expected`.
   */
  async #current(
    request: Request & { readonly name: string },
    expected: 'any' | { readonly seq: number },
  ): Promise<StoredMeta | undefined> {
    const known = this.#metas.remembered(request.name)
    if (known !== undefined && (expected === 'any' || known.seq === expected.seq)) return known
    const stored = await this.#metas.fetch(request)
    if (expected !== 'any' && stored?.seq !== expected.seq) throw this.#conflict(request.name)
    return stored
  }

  /**
   * Publishes a chunk and returns its sequence. The message of each chunk names the sequence number
   * of the previous chunk. The server therefore keeps the order of the chunks. The server stores a
   * chunk only once, even if the acknowledgement of the chunk was lost.
   */
  #publishChunk(request: Request, subject: string, chunk: Uint8Array, previous: number): Promise<number> {
    const { js, jsm, stream } = this.#session
    return this.#session.request(request, async (before) => {
      try {
        return (await js.publish(subject, chunk, { expect: { lastSubjectSequence: previous } })).seq
      } catch (error) {
        if (!isWrongSequence(error)) throw error
        const last = before === 0 ? null : await jsm.streams.getMessage(stream, { last_by_subj: subject })
        if (last !== null && last.seq > previous) return last.seq
        // No other client writes to the subject of this put, so the server has lost acknowledged
        // chunks, for example in a power failure.
        throw new LitestreamError(
          'STORAGE_FAILED',
          `writing ${this.#session.label(request.name)} failed: the server lost chunks of the object`,
          {
            cause: error,
            file: this.#session.label(request.name),
            hint: 'Repeat the write of the file.',
          },
        )
      }
    })
  }

  async #publishMeta(
    request: Request & { readonly name: string },
    meta: ObjectMeta,
    expected: Expected,
  ): Promise<{ stored: StoredMeta; replaced: StoredMeta | undefined }> {
    let current = expected === 'absent' ? undefined : await this.#current(request, expected)
    const attempts = this.#attempts(request)
    for (;;) {
      attempts.next()
      const seq = await this.#publishIf(request, meta, current?.seq ?? 0)
      if (seq !== undefined) {
        const stored = { seq, meta }
        this.#metas.remember(stored)
        return { stored, replaced: current !== undefined && isPresent(current.meta) ? current : undefined }
      }
      this.#metas.forget(meta.name)
      current = await this.#metas.fetch(request)
      // An earlier attempt to publish the metadata has succeeded, although its response was lost.
      if (current?.meta.nuid === meta.nuid && !current.meta.deleted) return { stored: current, replaced: undefined }
      const taken = current !== undefined && !current.meta.deleted
      if (typeof expected === 'object' || (expected === 'absent' && taken)) throw this.#conflict(meta.name)
    }
  }

  /**
   * Publishes the metadata if `after` is the sequence number of the latest message on the
   * metadata's subject. If `after` is 0, the subject must have no message. Returns the new sequence
   * number, or undefined if the latest message has another sequence number than `after`.
   */
  #publishIf(request: Request, meta: ObjectMeta, after: number): Promise<number | undefined> {
    const { bucket, js } = this.#session
    return this.#session.request(request, async (before) => {
      const rollup = headers()
      rollup.set('Nats-Rollup', 'sub')
      try {
        const ack = await js.publish(metaSubject(bucket, meta.name), JSON.stringify(meta), {
          headers: rollup,
          expect: { lastSubjectSequence: after },
        })
        return ack.seq
      } catch (error) {
        if (!isWrongSequence(error)) throw error
        if (before === 0) return undefined
        // An earlier attempt to publish the metadata may have succeeded, although its
        // acknowledgement was lost.
        const current = await this.#metas.ask(meta.name)
        const ours = current?.meta.nuid === meta.nuid && current.meta.deleted === meta.deleted
        return ours ? current.seq : undefined
      }
    })
  }

  /** Removes deletion markers from the stream permanently. A missing marker is not an error. */
  async removeNotes(sequences: readonly number[], signal: AbortSignal | undefined): Promise<void> {
    const { jsm, stream } = this.#session
    for (const seq of sequences) {
      await this.#session.request({ operation: 'DELETE', doing: 'clearing', signal }, async () => {
        try {
          await jsm.streams.deleteMessage(stream, seq, false)
        } catch (error) {
          if (!(error instanceof JetStreamApiError && error.code === NO_MESSAGE)) throw error
        }
      })
    }
  }

  /**
   * Removes the chunks with the NUID `id`. Damaged metadata has no NUID, so the chunks of such an
   * object stay.
   */
  async #purge(request: Request, id: string): Promise<void> {
    if (id === '') return
    const { bucket, jsm, stream } = this.#session
    this.#indexes.forget(id)
    await this.#session.request(request, () => jsm.streams.purge(stream, { filter: chunkSubject(bucket, id) }))
  }

  /**
   * Removes the chunks with the NUID `id`, which no metadata refers to. The removal has the timeout
   * DISCARD_TIMEOUT. A failed removal does not fail the write, because a later sweep removes the
   * chunks.
   */
  async #discard(name: string, id: string): Promise<void> {
    if (this.#keepsChunks) return
    try {
      await this.#purge({ operation: 'DELETE', doing: 'clearing', name, signal: timeoutSignal(DISCARD_TIMEOUT) }, id)
    } catch (error) {
      if (!isLitestreamError(error)) throw error
    }
  }

  #attempts({ doing, name }: Request): WriteAttempts {
    const target = this.#session.label(name)
    return new WriteAttempts(`${doing} ${target}`, target)
  }

  #stalled(name: string): LitestreamError {
    const target = this.#session.label(name)
    return new LitestreamError('STORAGE_FAILED', `writing ${target} failed: the source of the data was too slow`, {
      file: target,
      hint: 'Repeat the upload. If this error occurs again, find out why the source of the uploaded data is slow.',
    })
  }

  #conflict(name: string): LitestreamError {
    return new LitestreamError('PRECONDITION_FAILED', `${this.#session.label(name)} was written by another process`, {
      file: this.#session.label(name),
    })
  }
}

function isWrongSequence(error: unknown): boolean {
  return error instanceof JetStreamApiError && (error.code === 10071 || error.code === 10164)
}

/** Divides `body` into pieces of `size` bytes. The final piece may be shorter. */
async function* rechunked(
  body: Uint8Array | AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array, void> {
  if (body instanceof Uint8Array) {
    for (let at = 0; at < body.byteLength; at += size) yield body.subarray(at, at + size)
    return
  }
  let pending = new Uint8Array(size)
  let filled = 0
  for await (const piece of body) {
    for (let at = 0; at < piece.byteLength; ) {
      const taken = piece.subarray(at, at + size - filled)
      pending.set(taken, filled)
      filled += taken.byteLength
      at += taken.byteLength
      if (filled === size) {
        yield pending
        pending = new Uint8Array(size)
        filled = 0
      }
    }
  }
  if (filled > 0) yield pending.subarray(0, filled)
}
