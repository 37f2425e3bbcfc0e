import { LitestreamError } from '../../errors.js'
import type { LtxFileInfo } from '../replica-client.js'

/** The header with the timestamp of the LTX header, as in Litestream. */
const TIMESTAMP = 'Litestream-Timestamp'

/**
 * The description of one object in a bucket: the body of the last message on the object's subject,
 * in the form that all NATS clients share.
 */
export interface ObjectMeta {
  readonly name: string
  readonly bucket: string
  readonly nuid: string
  readonly size: number
  readonly chunks: number
  readonly mtime: string
  readonly digest?: string
  readonly deleted?: boolean
  readonly headers?: Readonly<Record<string, readonly string[]>>
  readonly options?: { readonly max_chunk_size?: number; readonly link?: unknown }
  /** Why the object cannot be read, for example "a size of -1"; never part of the message. */
  readonly fault?: string | undefined
}

/** A description and the sequence of the message it came in, which is the object's version. */
export interface StoredMeta {
  readonly seq: number
  readonly meta: ObjectMeta
}

/** Bytes. No NATS server accepts a longer message. */
const LONGEST_MESSAGE = 64 * 1024 * 1024

/**
 * Valid NUIDs, which are a token of a subject: a wildcard would match the chunks of all objects.
 */
const NUID = /^[A-Za-z0-9_-]+$/

/**
 * Undefined if the message is not a description of an object. A description with impossible values
 * gets a `fault`, and zeros instead of the values: the object is listed and can be deleted, but
 * `checkMeta` refuses to read it.
 */
export function parseMeta(data: Uint8Array): ObjectMeta | undefined {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString())
  } catch {
    return undefined
  }
  const meta = value as Partial<ObjectMeta> | null
  if (typeof meta?.name !== 'string') return undefined
  const fault = isPresent(meta) ? faultOf(meta) : undefined
  return {
    ...meta,
    name: meta.name,
    bucket: meta.bucket ?? '',
    nuid: isNuid(meta.nuid) ? meta.nuid : '',
    size: fault === undefined ? (meta.size ?? 0) : 0,
    chunks: fault === undefined ? (meta.chunks ?? 0) : 0,
    mtime: typeof meta.mtime === 'string' ? meta.mtime : '',
    fault,
  }
}

/** The description on the subject of the object `name`; with a `fault` for any other message. */
export function metaOf(name: string, data: Uint8Array): ObjectMeta {
  const meta = parseMeta(data)
  if (meta?.name === name) return meta
  const fault = meta === undefined ? 'a form that cannot be parsed' : `another object's name, ${shown(meta.name)}`
  return { name, bucket: '', nuid: '', size: 0, chunks: 0, mtime: '', fault }
}

/** Throws STORAGE_FAILED for a description with impossible values. `label`: the object. */
export function checkMeta({ fault }: ObjectMeta, label: string): void {
  if (fault === undefined) return
  throw new LitestreamError('STORAGE_FAILED', `${label} is damaged: its description in the bucket has ${fault}`, {
    file: label,
    hint: 'Remove the object with `nats object rm`, or restore the bucket from a backup.',
  })
}

function faultOf({ size = 0, chunks = 0, nuid, options }: Partial<ObjectMeta>): string | undefined {
  if (!isCount(size)) return `a size of ${shown(size)}`
  if (!isCount(chunks)) return `a chunk count of ${shown(chunks)}`
  const stated = options?.max_chunk_size
  const longest = isCount(stated) && stated > 0 ? Math.min(stated, LONGEST_MESSAGE) : LONGEST_MESSAGE
  if (size > chunks * longest) return `a size of ${size} bytes in ${chunks} chunks of at most ${longest} bytes`
  return chunks > 0 && !isNuid(nuid) ? `a NUID of ${shown(nuid)}` : undefined
}

function shown(value: unknown): string {
  return (typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'undefined')).slice(0, 50)
}

function isNuid(value: unknown): value is string {
  return typeof value === 'string' && NUID.test(value)
}

/** A number of bytes or chunks. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

export function newMeta(meta: ObjectMeta & { readonly digest: string }, timestamp?: number): ObjectMeta {
  const headers = timestamp === undefined ? undefined : { [TIMESTAMP]: [new Date(timestamp).toISOString()] }
  return headers === undefined ? meta : { ...meta, headers }
}

/** The message on the subject of a deleted object. */
export function deletedMeta(meta: ObjectMeta): ObjectMeta {
  return { ...meta, deleted: true, size: 0, chunks: 0, digest: '', mtime: new Date().toISOString(), fault: undefined }
}

/** Whether the object exists with its own bytes: not deleted, and not a link to another bucket. */
export function isPresent({ deleted, options }: Partial<ObjectMeta>): boolean {
  return deleted !== true && options?.link === undefined
}

/** The listing fields of an object. Each put has its own NUID. */
export function factsOf(meta: ObjectMeta): Pick<LtxFileInfo, 'size' | 'createdAt' | 'version'> {
  return { size: meta.size, createdAt: createdAt(meta), version: meta.nuid }
}

/**
 * Milliseconds since the epoch: the LTX timestamp if the object has one, otherwise its time of
 * writing.
 */
function createdAt(meta: ObjectMeta): number {
  const timestamp = Object.entries(meta.headers ?? {}).find(([name]) => name.toLowerCase() === TIMESTAMP.toLowerCase())
  const written = Date.parse(String(timestamp?.[1]?.[0]))
  return Number.isNaN(written) ? Date.parse(meta.mtime) || 0 : written
}
