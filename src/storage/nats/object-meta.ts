import { LitestreamError } from '../../errors.js'
import type { LtxFileInfo } from '../replica-client.js'

/** The object header that contains the timestamp of the LTX header, as in Litestream. */
const TIMESTAMP = 'Litestream-Timestamp'

/**
 * The metadata of one object in a bucket. All NATS clients store the metadata as JSON in the latest
 * message on the object's metadata subject.
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
  /**
   * The reason why the object cannot be read, such as "a size of -1". The field `fault` is not
   * stored in the message.
   */
  readonly fault?: string | undefined
}

/**
 * The metadata of an object, and the sequence of the message that contains the metadata. The
 * sequence is the version of the object.
 */
export interface StoredMeta {
  readonly seq: number
  readonly meta: ObjectMeta
}

/** Maximum size of a message in bytes. No NATS server accepts a longer message. */
const LONGEST_MESSAGE = 64 * 1024 * 1024

/**
 * Pattern of valid NUIDs. A NUID becomes one token of a NATS subject. A wildcard in a NUID would
 * make the subject match the chunks of all objects.
 */
const NUID = /^[A-Za-z0-9_-]+$/

/**
 * Parses the metadata of an object. Returns undefined if the message is not the metadata of an
 * object. If a field has an impossible value, the result has a `fault`, and zero in place of that
 * value. An object with a `fault` is listed and can be deleted. A read of such an object fails,
 * because `checkMeta` throws.
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

/**
 * Parses the metadata of the object `name`. If the message is not the metadata of this object, the
 * result has a `fault`.
 */
export function metaOf(name: string, data: Uint8Array): ObjectMeta {
  const meta = parseMeta(data)
  if (meta?.name === name) return meta
  const fault = meta === undefined ? 'a form that cannot be parsed' : `another object's name, ${shown(meta.name)}`
  return { name, bucket: '', nuid: '', size: 0, chunks: 0, mtime: '', fault }
}

/** Throws STORAGE_FAILED for metadata with a `fault`. `label` names the object in the message. */
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

/** Whether `value` can be a number of bytes or chunks. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

export function newMeta(meta: ObjectMeta & { readonly digest: string }, timestamp?: number): ObjectMeta {
  const headers = timestamp === undefined ? undefined : { [TIMESTAMP]: [new Date(timestamp).toISOString()] }
  return headers === undefined ? meta : { ...meta, headers }
}

/** Returns the deletion marker of an object. The marker replaces the metadata of the object. */
export function deletedMeta(meta: ObjectMeta): ObjectMeta {
  return { ...meta, deleted: true, size: 0, chunks: 0, digest: '', mtime: new Date().toISOString(), fault: undefined }
}

/**
 * Whether the object exists in this bucket. A deleted object does not count, and neither does a
 * link to another bucket.
 */
export function isPresent({ deleted, options }: Partial<ObjectMeta>): boolean {
  return deleted !== true && options?.link === undefined
}

/**
 * Returns the fields of an object in a listing. The version of an object is its NUID. Each put of
 * an object has a different NUID.
 */
export function factsOf(meta: ObjectMeta): Pick<LtxFileInfo, 'size' | 'createdAt' | 'version'> {
  return { size: meta.size, createdAt: createdAt(meta), version: meta.nuid }
}

/**
 * Returns the LTX timestamp of the object in milliseconds since the epoch. If the metadata has no
 * LTX timestamp, returns the time at which the object was written.
 */
function createdAt(meta: ObjectMeta): number {
  const timestamp = Object.entries(meta.headers ?? {}).find(([name]) => name.toLowerCase() === TIMESTAMP.toLowerCase())
  const written = Date.parse(String(timestamp?.[1]?.[0]))
  return Number.isNaN(written) ? Date.parse(meta.mtime) || 0 : written
}
