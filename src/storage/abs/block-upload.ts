import { randomUUID } from 'node:crypto'
import type { BlockBlobClient } from '@azure/storage-blob'
import PQueue from 'p-queue'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import type { Pieces, StoredObject } from '../objects/object-store.js'
import type { Requests, Subject } from '../objects/requests.js'
import type { BlobAttributes } from './abs-store.js'
import { isBlockListError } from './errors.js'

/**
 * Maximum number of blocks that are sent in parallel. While CONCURRENCY blocks are being sent, the
 * upload fills one more block in memory.
 */
const CONCURRENCY = 3

interface BlockUploadOptions {
  readonly blob: BlockBlobClient
  readonly attributes: BlobAttributes
  /** The unique ID of an upload, stored in the metadata of the blob that the upload created. */
  readonly uploadId: string | undefined
  /** Requests the properties of the blob that is being uploaded. */
  readonly head: (signal: AbortSignal) => Promise<StoredObject>
}

/**
 * Writes a blob in blocks. The blocks are invisible until the upload commits the list of blocks.
 * The service removes the blocks of an abandoned upload after a week, or when another upload
 * commits a blob of the same name. Returns the size of the blob in bytes.
 */
export async function putBlocks(
  requests: Requests,
  subject: Subject,
  pieces: Pieces,
  options: BlockUploadOptions,
): Promise<number> {
  const { blob, attributes } = options
  // Block IDs begin with a UUID of this upload, so that the blob never contains blocks of another
  // upload of the same name. The service requires that all block IDs of a blob have the same
  // length.
  const upload = randomUUID()
  const ids: string[] = []
  const queue = new PQueue({ concurrency: CONCURRENCY })
  const failures: unknown[] = []
  let size = 0
  const stage = async (id: string, piece: Uint8Array) => {
    const body = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
    try {
      await requests.retried(
        subject,
        () => (abortSignal) => blob.stageBlock(id, body, body.byteLength, { abortSignal }),
        requests.firstByte(body.byteLength),
      )
      requests.counters.bytes('PUT', body.byteLength)
    } catch (error) {
      failures.push(error)
    }
  }
  try {
    while (failures.length === 0) {
      const piece = await pieces.next()
      if (piece === undefined) break
      const id = Buffer.from(`${upload}-${String(ids.length).padStart(6, '0')}`).toString('base64')
      ids.push(id)
      size += piece.byteLength
      void queue.add(() => stage(id, piece))
      await queue.onSizeLessThan(1)
    }
  } finally {
    await queue.onIdle()
  }
  if (failures.length > 0) throw failures[0]
  const isOwn = async () => {
    const found = await headOf(requests, subject, options)
    return found?.size === size && found.uploadId === options.uploadId
  }
  try {
    await requests.carriedOut(subject, (abortSignal) => blob.commitBlockList(ids, { ...attributes, abortSignal }), {
      firstByte: 3 * requests.firstByte(), // the service puts the blocks together before it answers
      isOwn,
    })
    return size
  } catch (error) {
    throw await whereTaken(error, requests, subject, options)
  }
}

/**
 * Returns the error to throw after the commit of the block list has failed. If another upload has
 * committed a blob of the same name, the service has discarded the blocks of this upload. If
 * another upload has taken the blob's name, whereTaken() returns PRECONDITION_FAILED.
 */
async function whereTaken(
  error: unknown,
  requests: Requests,
  subject: Subject,
  options: BlockUploadOptions,
): Promise<unknown> {
  if (!isLitestreamError(error) || !isBlockListError(error)) return error
  if (options.attributes.conditions.ifNoneMatch !== '*') return error
  if ((await headOf(requests, subject, options)) === undefined) return error
  return new LitestreamError(
    'PRECONDITION_FAILED',
    `${subject.doing} ${subject.target} failed: the object exists already`,
    {
      cause: error.cause,
      file: subject.target,
    },
  )
}

async function headOf(
  requests: Requests,
  subject: Subject,
  { head }: BlockUploadOptions,
): Promise<StoredObject | undefined> {
  try {
    return await requests.retried({ ...subject, operation: 'HEAD' }, () => head)
  } catch (error) {
    if (isLitestreamError(error, 'NOT_FOUND')) return undefined
    throw error
  }
}
