import { randomUUID } from 'node:crypto'
import type { HeadObjectCommandOutput, StorageClass } from '@aws-sdk/client-s3'
import PQueue from 'p-queue'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { timeoutSignal } from '../../util/timers.js'
import { ChunkBuffer } from '../chunk-buffer.js'
import { versionOf } from '../entity-tags.js'
import { formatTimestamp, TIMESTAMP_KEY, UPLOAD_KEY } from '../timestamp-metadata.js'
import { unconfirmed } from '../unconfirmed.js'
import type { AskedGuarantees } from '../write-guarantees.js'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from './aws.js'
import { conditionError } from './errors.js'
import { partSizeOf } from './part-sizes.js'
import type { S3Requests, Send, Subject } from './requests.js'

export interface UploadOptions {
  /** LTX timestamp in milliseconds since the epoch. */
  readonly timestamp: number
  readonly createOnly: boolean
  /** The guarantees of the store. A create-only upload asks for the guarantees before it writes. */
  readonly guarantees: AskedGuarantees
}

/**
 * The options of an upload, with the random ID of the upload. The upload writes its ID to the
 * object's metadata.
 */
interface IdentifiedUpload extends UploadOptions {
  readonly id: string
}

/**
 * Milliseconds per byte of a request body that a store may take to respond. The value allows a
 * transfer rate of 1 MiB/s.
 */
const MS_PER_BYTE = 1000 / 2 ** 20

function attributes({ settings, bucket, customerKey }: S3Requests, key: string, { timestamp, id }: IdentifiedUpload) {
  return {
    Bucket: bucket,
    Key: key,
    Metadata: { [TIMESTAMP_KEY]: formatTimestamp(timestamp), [UPLOAD_KEY]: id },
    ...customerKey,
    ...(settings.storageClass ? { StorageClass: settings.storageClass as StorageClass } : {}),
    ...(settings.sseKmsKeyId ? { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: settings.sseKmsKeyId } : {}),
  }
}

const CHUNK_SIZE = 1024 * 1024

/**
 * Writes an object with one PUT if the object is smaller than the part size. Writes a larger object
 * in parts. Returns the size of the object in bytes.
 */
export async function upload(
  requests: S3Requests,
  subject: Subject,
  key: string,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  given: UploadOptions,
): Promise<number> {
  const { partSize } = requests.settings
  const options = { ...given, id: randomUUID() }
  if (body instanceof Uint8Array && body.byteLength < partSize) return put(requests, subject, key, body, options)
  const buffer = new ChunkBuffer()
  const source = chunksOf(body)[Symbol.asyncIterator]()
  let ended = false
  /** Appends bytes from the body until the buffer has `size` bytes or the body ends. */
  const fill = async (size: number) => {
    while (!ended && buffer.size < size) {
      const { value, done } = await source.next()
      if (done) ended = true
      else buffer.push(value)
    }
  }
  try {
    await fill(partSize)
    if (ended && buffer.size < partSize) return await put(requests, subject, key, buffer.take(buffer.size), options)
    return await putParts(requests, subject, key, options, async (number) => {
      const size = partSizeOf(number, partSize, requests.settings.equalParts)
      await fill(size)
      return buffer.size === 0 ? undefined : buffer.take(Math.min(size, buffer.size))
    })
  } finally {
    if (!ended) await source.return(undefined)
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

async function put(
  requests: S3Requests,
  subject: Subject,
  key: string,
  body: Uint8Array,
  options: IdentifiedUpload,
): Promise<number> {
  const size = body.byteLength
  const isSure = await isCreateOnlySure(subject, options)
  if (options.createOnly && !isSure) await refuseTaken(requests, subject, key)
  const input = {
    ...attributes(requests, key, options),
    Body: body,
    ContentLength: size,
    ...(options.createOnly && isSure ? { IfNoneMatch: '*' } : {}),
  }
  const tag = await carriedOut(
    requests,
    subject,
    { key, size, options },
    (client, sending) => client.send(new PutObjectCommand(input), sending),
    requests.policy.firstByteTimeout + size * MS_PER_BYTE,
  )
  if (options.createOnly && !isSure) await refuseOverwritten(requests, subject, key, tag)
  requests.counters.bytes('PUT', size)
  return size
}

interface Written {
  readonly key: string
  readonly size: number
  readonly options: IdentifiedUpload
}

/** The response field which shows that the store has received the bytes. */
interface Tagged {
  readonly ETag?: string | undefined
}

function tagged(subject: Subject, send: Send<Tagged>): Send<string> {
  return async (client, options) => {
    const { ETag } = await send(client, options)
    if (ETag === undefined)
      throw unconfirmed(`${subject.doing} ${subject.target}`, 'the reply has no ETag', subject.target)
    return ETag
  }
}

/**
 * Sends a request that creates the object. If an attempt succeeds but its response is lost, the
 * next attempt finds that the name is taken, or that the multipart upload no longer exists. In this
 * case, carriedOut() checks that the existing object is the object of this upload. Returns the
 * entity tag of the object, or undefined if no response contained the tag.
 */
async function carriedOut(
  requests: S3Requests,
  subject: Subject,
  written: Written,
  send: Send<Tagged>,
  firstByte: number,
): Promise<string | undefined> {
  let lost = 0
  try {
    return await requests.retried(
      subject,
      (before) => {
        lost = before
        return tagged(subject, send)
      },
      firstByte,
    )
  } catch (error) {
    const mine = lost > 0 && isLitestreamError(error, 'PRECONDITION_FAILED', 'NOT_FOUND')
    // If the check of the object fails, throws the store's refusal, for which mayHaveSucceeded()
    // returns true.
    const own = mine && (await isOwn(requests, subject, written).catch(() => false))
    if (!own) {
      throw written.options.createOnly ? conditionError(error, 'If-None-Match', subject) : error
    }
    return undefined
  }
}

async function isOwn(requests: S3Requests, subject: Subject, { key, size, options }: Written): Promise<boolean> {
  const head = await headOf(requests, subject, key)
  // An equal size proves nothing, because another writer's object may have the same size.
  return head?.ContentLength === size && head.Metadata?.[UPLOAD_KEY] === options.id
}

/** Returns the store's data about the object, or undefined if the object does not exist. */
async function headOf(
  requests: S3Requests,
  subject: Subject,
  key: string,
): Promise<HeadObjectCommandOutput | undefined> {
  const { bucket: Bucket, customerKey } = requests
  try {
    return await requests.retried(
      { ...subject, operation: 'HEAD' },
      () => (client, sending) => client.send(new HeadObjectCommand({ Bucket, Key: key, ...customerKey }), sending),
    )
  } catch (error) {
    if (isLitestreamError(error, 'NOT_FOUND')) return undefined
    throw error
  }
}

async function putParts(
  requests: S3Requests,
  subject: Subject,
  key: string,
  options: IdentifiedUpload,
  nextPart: (number: number) => Promise<Uint8Array | undefined>,
): Promise<number> {
  const { bucket: Bucket, customerKey, policy, settings } = requests
  const created = await requests.retried(
    subject,
    () => (client, sending) =>
      client.send(new CreateMultipartUploadCommand(attributes(requests, key, options)), sending),
  )
  const UploadId = created.UploadId
  const parts: { PartNumber: number; ETag: string }[] = []
  const queue = new PQueue({ concurrency: settings.concurrency })
  const failures: unknown[] = []
  let size = 0
  try {
    for (let PartNumber = 1; failures.length === 0; PartNumber++) {
      const Body = await nextPart(PartNumber)
      if (Body === undefined) break
      size += Body.byteLength
      void queue.add(async () => {
        try {
          const ETag = await requests.retried(
            subject,
            () =>
              tagged(subject, (client, sending) =>
                client.send(
                  new UploadPartCommand({ Bucket, Key: key, UploadId, PartNumber, Body, ...customerKey }),
                  sending,
                ),
              ),
            policy.firstByteTimeout + Body.byteLength * MS_PER_BYTE,
          )
          requests.counters.bytes('PUT', Body.byteLength)
          parts.push({ PartNumber, ETag })
        } catch (error) {
          failures.push(error)
        }
      })
      // Memory holds the parts that are being sent, and one more part that waits for its turn.
      await queue.onSizeLessThan(2)
    }
    await queue.onIdle()
    if (failures.length > 0) throw failures[0]
    const isSure = await isCreateOnlySure(subject, options)
    if (options.createOnly) await refuseTaken(requests, subject, key)
    const tag = await carriedOut(
      requests,
      subject,
      { key, size, options },
      (client, sending) =>
        client.send(
          new CompleteMultipartUploadCommand({
            Bucket,
            Key: key,
            UploadId,
            MultipartUpload: { Parts: parts.sort((a, b) => a.PartNumber - b.PartNumber) },
            ...customerKey,
            ...(options.createOnly && isSure ? { IfNoneMatch: '*' } : {}),
          }),
          sending,
        ),
      policy.firstByteTimeout * 3, // the store puts the parts together before it answers
    )
    if (options.createOnly && !isSure) await refuseOverwritten(requests, subject, key, tag)
    return size
  } catch (error) {
    await queue.onIdle()
    await abandon(requests, subject, key, UploadId)
    throw error
  }
}

/** Whether the store itself refuses a create-only write to an existing name. */
async function isCreateOnlySure({ signal }: Subject, { createOnly, guarantees }: UploadOptions): Promise<boolean> {
  return createOnly && (await guarantees.ask(signal ? { signal } : {})).createOnly
}

/**
 * Throws if another writer has overwritten the object since this upload. The upload calls
 * refuseOverwritten() for stores that do not enforce If-None-Match.
 */
async function refuseOverwritten(
  requests: S3Requests,
  subject: Subject,
  key: string,
  tag: string | undefined,
): Promise<void> {
  const head = await headOf(requests, subject, key)
  if (tag === undefined || head === undefined || versionOf(head.ETag) === versionOf(tag)) return
  throw new LitestreamError(
    'PRECONDITION_FAILED',
    `${subject.doing} ${subject.target} failed: the object was overwritten by another process`,
    {
      file: subject.target,
    },
  )
}

/**
 * Throws if an object with the name exists. Some stores ignore If-None-Match when an upload is
 * completed. With refuseTaken(), another writer can overwrite the object only between the check and
 * the completion of the upload.
 */
async function refuseTaken(requests: S3Requests, subject: Subject, key: string): Promise<void> {
  if ((await headOf(requests, subject, key)) === undefined) return
  throw new LitestreamError(
    'PRECONDITION_FAILED',
    `${subject.doing} ${subject.target} failed: the object exists already`,
    {
      file: subject.target,
    },
  )
}

/**
 * Removes the parts of a failed upload, because stores charge for incomplete parts. Drops an error
 * of the abort request, because the caller throws the error of the upload itself.
 */
async function abandon(
  requests: S3Requests,
  subject: Subject,
  key: string,
  UploadId: string | undefined,
): Promise<void> {
  const { bucket: Bucket } = requests
  try {
    // The caller's signal is not used, because the parts of a cancelled upload must be removed too.
    // The abort request has a short timeout.
    await requests.retried(
      { ...subject, operation: 'DELETE', signal: timeoutSignal(subject.signal?.aborted ? 2_000 : 20_000) },
      () => (client, sending) => client.send(new AbortMultipartUploadCommand({ Bucket, Key: key, UploadId }), sending),
    )
  } catch (error) {
    if (!(error instanceof LitestreamError)) throw error
    // If the store does not carry out the abort request, a lifecycle rule for incomplete uploads
    // can remove the parts later.
  }
}
