import type { LtxFileInfo } from '../replica-client.js'

/** The header in which Litestream keeps the timestamp of the LTX header. */
const TIMESTAMP = 'Litestream-Timestamp'

/** What a bucket says about one object: the body of the last message on the object's subject, in the form all NATS clients share. */
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
}

/** A description and the sequence of the message it came in, which is the object's version. */
export interface StoredMeta {
  readonly seq: number
  readonly meta: ObjectMeta
}

/** Undefined for a message that is no description of an object. */
export function parseMeta(data: Uint8Array): ObjectMeta | undefined {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString())
  } catch {
    return undefined
  }
  const meta = value as Partial<ObjectMeta> | null
  if (typeof meta?.name !== 'string' || !isCount(meta.size) || !isCount(meta.chunks)) return undefined
  return {
    ...meta,
    name: meta.name,
    bucket: meta.bucket ?? '',
    nuid: meta.nuid ?? '',
    size: countOf(meta.size),
    chunks: countOf(meta.chunks),
    mtime: typeof meta.mtime === 'string' ? meta.mtime : '',
  }
}

/** A number of bytes or chunks; 0 for any other value, so that reading the object fails with the size that it says. */
function countOf(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : 0
}

/** A number of bytes or chunks; undefined counts as 0. */
function isCount(value: unknown): boolean {
  return value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0)
}

export function newMeta(meta: ObjectMeta & { readonly digest: string }, timestamp?: number): ObjectMeta {
  const headers = timestamp === undefined ? undefined : { [TIMESTAMP]: [new Date(timestamp).toISOString()] }
  return headers === undefined ? meta : { ...meta, headers }
}

/** What stands on the subject of an object that was deleted. */
export function deletedMeta(meta: ObjectMeta): ObjectMeta {
  return { ...meta, deleted: true, size: 0, chunks: 0, digest: '', mtime: new Date().toISOString() }
}

/** Whether there is an object with bytes of its own: not deleted, and no link to another bucket's. */
export function isPresent(meta: ObjectMeta): boolean {
  return meta.deleted !== true && meta.options?.link === undefined
}

/** What a listing tells of an object. Each time it is put, it gets a NUID of its own. */
export function factsOf(meta: ObjectMeta): Pick<LtxFileInfo, 'size' | 'createdAt' | 'version'> {
  return { size: meta.size, createdAt: createdAt(meta), version: meta.nuid }
}

/** Milliseconds since the epoch: the LTX timestamp if the object has one, else when it was written. */
function createdAt(meta: ObjectMeta): number {
  const timestamp = Object.entries(meta.headers ?? {}).find(([name]) => name.toLowerCase() === TIMESTAMP.toLowerCase())
  const written = Date.parse(String(timestamp?.[1]?.[0]))
  return Number.isNaN(written) ? Date.parse(meta.mtime) || 0 : written
}
