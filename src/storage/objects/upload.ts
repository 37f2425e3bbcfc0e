import { randomUUID } from 'node:crypto'
import { isLitestreamError } from '../../errors.js'
import { ChunkBuffer } from '../chunk-buffer.js'
import type { ObjectStore, Pieces, PutOptions } from './object-store.js'
import type { Requests, Subject } from './requests.js'

const CHUNK_SIZE = 1024 * 1024

export interface UploadOptions extends PutOptions {
  /** LTX timestamp in milliseconds since the epoch. */
  readonly timestamp: number
}

interface IdentifiedUpload extends UploadOptions {
  readonly uploadId: string
}

/**
 * Writes an object in one request if the object has at most the store's piece size. Writes a larger
 * object in pieces. Memory holds the pieces that are being sent, and one more. Returns the size of
 * the object in bytes.
 */
export async function upload(
  store: ObjectStore,
  requests: Requests,
  subject: Subject,
  key: string,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  given: UploadOptions,
): Promise<number> {
  const options = { ...given, uploadId: randomUUID() }
  if (body instanceof Uint8Array && body.byteLength <= store.pieceSize) {
    return put(store, requests, subject, key, body, options)
  }
  const source = new PieceSource(body, store.pieceSize)
  try {
    const first = (await source.next()) ?? new Uint8Array()
    if (source.ended) return await put(store, requests, subject, key, first, options)
    let pending: Uint8Array | undefined = first
    const pieces: Pieces = {
      next: async () => {
        const piece = pending ?? (await source.next())
        pending = undefined
        return piece
      },
      get ended() {
        return pending === undefined && source.ended
      },
    }
    return await store.putPieces(requests, subject, key, pieces, options)
  } finally {
    await source.close()
  }
}

async function put(
  store: ObjectStore,
  requests: Requests,
  subject: Subject,
  key: string,
  body: Uint8Array,
  options: IdentifiedUpload,
): Promise<number> {
  const size = body.byteLength
  await requests.carriedOut(subject, (signal) => store.put(key, body, options, signal), {
    firstByte: requests.firstByte(size),
    isOwn: () => isOwn(store, requests, subject, key, { size, uploadId: options.uploadId }),
  })
  requests.counters.bytes('PUT', size)
  return size
}

/**
 * Whether this upload has created the object that now exists under `key`. Size and timestamp cannot
 * prove this, because another writer's object may have the same size and timestamp.
 */
export async function isOwn(
  store: ObjectStore,
  requests: Requests,
  subject: Subject,
  key: string,
  { size, uploadId }: { readonly size: number; readonly uploadId: string },
): Promise<boolean> {
  try {
    const head = await requests.retried({ ...subject, operation: 'HEAD' }, () => (signal) => store.head(key, signal))
    return head.size === size && head.uploadId === uploadId
  } catch (error) {
    if (isLitestreamError(error, 'NOT_FOUND')) return false
    throw error
  }
}

/** Divides a body into pieces of one size. */
class PieceSource {
  readonly #source: AsyncGenerator<Uint8Array>
  readonly #size: number
  readonly #buffer = new ChunkBuffer()
  #sourceEnded = false

  constructor(body: Uint8Array | AsyncIterable<Uint8Array>, size: number) {
    this.#source = chunksOf(body)
    this.#size = size
  }

  /** Whether the body has no further piece. */
  get ended(): boolean {
    return this.#sourceEnded && this.#buffer.size === 0
  }

  /**
   * Returns the next piece. Reads at least one byte beyond the piece, to learn whether the piece is
   * the final one.
   */
  async next(): Promise<Uint8Array | undefined> {
    while (!this.#sourceEnded && this.#buffer.size <= this.#size) {
      const { value, done } = await this.#source.next()
      if (done) this.#sourceEnded = true
      else this.#buffer.push(value)
    }
    return this.#buffer.size === 0 ? undefined : this.#buffer.take(Math.min(this.#size, this.#buffer.size))
  }

  async close(): Promise<void> {
    if (!this.#sourceEnded) await this.#source.return(undefined)
  }
}

/**
 * Yields a body in one buffer as parts of CHUNK_SIZE bytes, so that the whole body is never copied
 * at once.
 */
async function* chunksOf(body: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (!(body instanceof Uint8Array)) yield* body
  else for (let at = 0; at < body.byteLength; at += CHUNK_SIZE) yield body.subarray(at, at + CHUNK_SIZE)
}
