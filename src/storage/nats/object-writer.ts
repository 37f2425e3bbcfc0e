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

/** Chunk size in bytes, equal to that of all NATS clients. */
const CHUNK = 128 * 1024

/** Bytes of a message reserved for its headers. */
const HEADROOM = 1024

/** JetStream's code for a sequence without a message. */
const NO_MESSAGE = 10043

/** Milliseconds. */
const DISCARD_TIMEOUT = 5_000

/** The condition of a write: no object with this name, the version with this sequence, or any. */
export type Expected = 'absent' | 'any' | { readonly seq: number }

/**
 * Writes and deletes objects: first the chunks, then one conditional message, which only one of
 * several writers can publish, makes the object visible.
 */
export class ObjectWriter {
  readonly #session: NatsSession
  readonly #metas: MetaStore
  readonly #indexes: ChunkIndexes
  /** Chunks of a failed upload stay, because the user may have no right to delete. */
  readonly #keepsChunks: boolean

  constructor(session: NatsSession, metas: MetaStore, indexes: ChunkIndexes, keepsChunks: boolean) {
    this.#keepsChunks = keepsChunks
    this.#session = session
    this.#metas = metas
    this.#indexes = indexes
  }

  /** Throws PRECONDITION_FAILED if the condition does not hold; the chunks are then removed. */
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
      // After a pause this long, a sweep may have removed the chunks.
      if (Date.now() - lastChunkAt > ABANDONED_AFTER / 2) throw this.#stalled(name)
      chunksOnly = false
      const { stored, replaced } = await this.#publishMeta(request, meta, options.expected)
      this.#indexes.remember(id, index)
      if (replaced !== undefined) await this.#discard(name, replaced.meta.nuid)
      return stored
    } catch (error) {
      // If it is unknown whether the object became visible, its chunks must stay.
      const refused = isLitestreamError(error, 'PRECONDITION_FAILED') || error instanceof WritersCollide
      const invisible = chunksOnly || refused
      if (invisible && sequences.length > 0) await this.#discard(name, id)
      throw error
    }
  }

  /** A missing object counts as deleted, unless a version was expected. */
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
   * The current object under the name, from the cache if possible. Throws PRECONDITION_FAILED if
   * the condition does not hold.
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
   * Returns its sequence. Each chunk states the sequence of the previous one, so that a chunk whose
   * acknowledgement was lost is never stored twice, and their order is kept.
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
        // No other client writes to this subject: the server has lost acknowledged chunks, as after
        // a power cut.
        throw new LitestreamError(
          'STORAGE_FAILED',
          `writing ${this.#session.label(request.name)} failed: the server lost chunks of it`,
          {
            cause: error,
            file: this.#session.label(request.name),
            hint: 'Write the file again.',
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
      // An attempt that seemed lost has succeeded.
      if (current?.meta.nuid === meta.nuid && !current.meta.deleted) return { stored: current, replaced: undefined }
      const taken = current !== undefined && !current.meta.deleted
      if (typeof expected === 'object' || (expected === 'absent' && taken)) throw this.#conflict(meta.name)
    }
  }

  /**
   * Publishes a description if the last message on its subject is `after` (0: none); undefined if
   * it is not.
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
        // The acknowledgement of an earlier attempt may have been lost.
        const current = await this.#metas.ask(meta.name)
        const ours = current?.meta.nuid === meta.nuid && current.meta.deleted === meta.deleted
        return ours ? current.seq : undefined
      }
    })
  }

  /** Removes notes of deletions permanently. A missing one is no error. */
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

  /** A damaged description has no NUID: the chunks of its object stay. */
  async #purge(request: Request, id: string): Promise<void> {
    if (id === '') return
    const { bucket, jsm, stream } = this.#session
    this.#indexes.forget(id)
    await this.#session.request(request, () => jsm.streams.purge(stream, { filter: chunkSubject(bucket, id) }))
  }

  /**
   * Removes unreferenced chunks if that is possible soon. A failure does not fail the write: the
   * sweep finds them.
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
    return new LitestreamError('STORAGE_FAILED', `writing ${target} failed: its source was too slow`, {
      file: target,
      hint: 'Retry the upload; check what slows down its source if the error repeats.',
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

/** The bytes of `body` in pieces of `size`; the last one is shorter. */
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
