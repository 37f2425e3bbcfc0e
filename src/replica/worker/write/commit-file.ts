import { randomBytes } from 'node:crypto'
import { LitestreamError } from '../../../errors.js'
import { LtxEncoder } from '../../../ltx/encoder.js'
import { native } from '../../../native/addon.js'
import type { TakenCommit } from '../../../native/replica.js'

/** Number of bytes of pages that are read from the connection and encoded in one batch. */
const BATCH_BYTES = 1024 * 1024
/**
 * If the pages of a commit have at most this many bytes, the LTX file of the commit is encoded once
 * and kept in memory.
 */
const MEMORY_BYTES = 64 * 1024 * 1024

/**
 * Returns a random node ID for the header of an LTX file. Two writers may commit the same change to
 * the same state in the same millisecond. Without a random node ID, the LTX files of the two
 * writers would be equal. With equal files, both writers would take the file in the store for their
 * own file.
 */
export function newNodeId(): bigint {
  return randomBytes(8).readBigUInt64BE()
}

/** Whether the LTX file of a commit is encoded once and kept in memory. */
export function fitsInMemory({ pgnos, pageSize }: TakenCommit): boolean {
  return pgnos.length * pageSize <= MEMORY_BYTES
}

export interface CommitHeader {
  readonly txid: number
  /** Time in the header of the LTX file, in milliseconds since the epoch. */
  readonly timestamp: number
}

/** A commit in the form in which the commit is written to the store. */
export interface UploadableCommit extends CommitHeader {
  /** Returns the content of the LTX file. Every call returns the same bytes. */
  body(): Uint8Array | AsyncIterable<Uint8Array>
  /**
   * Returns the checksum of the LTX file as 16 hexadecimal digits, and the size of the file in
   * bytes.
   */
  identity(): CommitIdentity
  /** The identity of another LTX file that an earlier attempt may have written for this commit. */
  readonly earlier?: CommitIdentity
}

/** The checksum of an LTX file as 16 hexadecimal digits, and the size of the file in bytes. */
export interface CommitIdentity {
  readonly checksum: string
  readonly size: number
}

/**
 * The LTX file of one commit. `body` returns the same bytes at every call. If the outcome of an
 * upload is unknown, these bytes are compared with the object in the store.
 */
export class CommitFile implements UploadableCommit {
  readonly txid: number
  readonly timestamp: number
  /** The whole LTX file, or undefined if the commit is too large to be kept in memory. */
  readonly bytes: Uint8Array | undefined
  readonly #taken: TakenCommit
  readonly #nodeId = newNodeId()

  constructor(taken: TakenCommit, { txid, timestamp }: CommitHeader) {
    this.txid = txid
    this.timestamp = timestamp
    this.#taken = taken
    if (fitsInMemory(taken)) this.bytes = Buffer.concat([...this.#encode()])
  }

  get pageSize(): number {
    return this.#taken.pageSize
  }

  /** Returns the content of the LTX file to write to the store. */
  body(): Uint8Array | AsyncIterable<Uint8Array> {
    return this.bytes ?? asAsync(this.#encode())
  }

  /**
   * Returns the checksum of the LTX file as 16 hexadecimal digits, and the size of the file in
   * bytes. A large commit is encoded again to determine its checksum and size.
   */
  identity(): CommitIdentity {
    let tail: Uint8Array = this.bytes ?? new Uint8Array()
    let size = tail.length
    if (!this.bytes) {
      for (const chunk of this.#encode()) {
        tail = chunk
        size += chunk.length
      }
    }
    return { checksum: checksumOf(tail), size }
  }

  *#encode(): Generator<Uint8Array, void, undefined> {
    const { pages, pgnos, pageSize, commit } = this.#taken
    const encoder = new LtxEncoder({
      pageSize,
      commit,
      minTxid: this.txid,
      maxTxid: this.txid,
      timestamp: this.timestamp,
      nodeId: this.#nodeId,
    })
    yield encoder.start()
    const batch = Math.max(1, Math.floor(BATCH_BYTES / pageSize))
    for (let from = 0; from < pgnos.length; from += batch) {
      const part = pgnos.subarray(from, from + batch)
      const raw = new Uint8Array(part.length * pageSize)
      if (!native.readCommit(pages, from, part.length, raw)) {
        throw new LitestreamError(
          'DISK_FULL',
          'the pages of the transaction cannot be read from the temporary file of the transaction',
          {
            hint: 'Free space in the folder of temporary files (SQLITE_TMPDIR or TMPDIR), then repeat the transaction.',
          },
        )
      }
      yield encoder.pages(part, raw)
    }
    yield encoder.finish()
  }
}

/** Returns the file checksum from the last bytes of an LTX file, as 16 hexadecimal digits. */
export function checksumOf(tail: Uint8Array): string {
  return Buffer.from(tail.subarray(tail.length - 8)).toString('hex')
}

async function* asAsync(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield* chunks
}
