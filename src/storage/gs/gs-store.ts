import { randomUUID } from 'node:crypto'
import type { LitestreamError } from '../../errors.js'
import { reveal } from '../../util/secret.js'
import type { ObjectReply } from '../http-download.js'
import { rangeHeader } from '../http-range.js'
import { mergedSettings } from '../merged-settings.js'
import type {
  Attempted,
  IfVersion,
  ObjectPage,
  ObjectStore,
  Pieces,
  PutOptions,
  StoredObject,
} from '../objects/object-store.js'
import type { Requests, Subject } from '../objects/requests.js'
import type { FolderPage } from '../paged-folders.js'
import type { ByteRange } from '../replica-client.js'
import { formatTimestamp, parseTimestamp, TIMESTAMP_KEY, UPLOAD_KEY } from '../timestamp-metadata.js'
import { unconfirmed } from '../unconfirmed.js'
import { gsEndpoint } from './endpoint.js'
import { gsError } from './errors.js'
import { loadGoogleLibrary } from './google-library.js'
import { GsHttp } from './http.js'
import type { GsLocation } from './location.js'
import { GsResumableUpload } from './resumable-upload.js'
import type { GsSettings } from './settings.js'

/**
 * Size of a piece of a resumable upload in bytes. The API of Cloud Storage requires a multiple of
 * 256 KiB.
 */
const PIECE_SIZE = 8 * 2 ** 20

/** The fields of an object's metadata that the store requests. */
const FIELDS = 'name,size,generation,timeCreated,metadata'

/**
 * A bucket of Google Cloud Storage, accessed with its JSON API. The version of an object is its
 * generation. Google's library provides the credentials and the HTTP client. GsStore makes the
 * requests itself, because the methods of Google's library take no AbortSignal and retry
 * automatically.
 */
export class GsStore implements ObjectStore {
  readonly type = 'gs'
  readonly url: string
  readonly pieceSize = PIECE_SIZE
  readonly suffixRanges = true
  readonly #endpoint: string
  readonly #bucket: string
  readonly #http: GsHttp
  readonly #pageSize: number | undefined

  /**
   * Creates the store without sending a request. Throws PACKAGE_MISSING, or INVALID_URL for an
   * invalid endpoint.
   */
  constructor({ bucket, settings }: GsLocation, given: GsSettings = {}, pageSize?: number) {
    this.#pageSize = pageSize
    this.url = `gs://${bucket}`
    const { url, authorised } = gsEndpoint(reveal(mergedSettings(settings, given).endpoint), this.url)
    this.#endpoint = url
    this.#bucket = encodeURIComponent(bucket)
    this.#http = new GsHttp(loadGoogleLibrary(), authorised)
  }

  async listPage(
    prefix: string,
    { from, token }: { readonly from?: string | undefined; readonly token?: string | undefined },
    signal: AbortSignal,
  ): Promise<ObjectPage> {
    const query = {
      prefix,
      fields: `kind,nextPageToken,items(${FIELDS})`,
      ...(from !== undefined && { startOffset: from }),
      ...(token !== undefined && { pageToken: token }),
      ...(this.#pageSize !== undefined && { maxResults: String(this.#pageSize) }),
    }
    const reply = await this.#http.json({ method: 'GET', url: this.#objects(query), signal })
    const { kind, items = [], nextPageToken } = reply
    // A response that is not a listing does not prove that the bucket has no objects.
    if (kind !== 'storage#objects' || !Array.isArray(items))
      throw unconfirmed('the listing', 'the reply is not a listing')
    return { objects: items.map(described), next: text(nextPageToken) }
  }

  async listFolders(prefix: string, token: string | undefined, signal: AbortSignal): Promise<FolderPage> {
    const query = {
      prefix,
      delimiter: '/',
      fields: 'kind,nextPageToken,prefixes',
      ...(token !== undefined && { pageToken: token }),
      ...(this.#pageSize !== undefined && { maxResults: String(this.#pageSize) }),
    }
    const reply = await this.#http.json({ method: 'GET', url: this.#objects(query), signal })
    const { kind, prefixes = [], nextPageToken } = reply
    if (kind !== 'storage#objects' || !isTexts(prefixes)) throw unconfirmed('the listing', 'the reply is not a listing')
    return { prefixes, next: text(nextPageToken) }
  }

  async get(key: string, range: ByteRange, version: string | undefined, signal: AbortSignal): Promise<ObjectReply> {
    const query: Record<string, string> = { alt: 'media', ...(version !== undefined && { ifGenerationMatch: version }) }
    // The request accepts no compressed response, because Cloud Storage does not support ranges of
    // a compressed response.
    const headers = { range: rangeHeader(range), 'accept-encoding': 'identity' }
    const reply = await this.#http.send({ method: 'GET', url: this.#object(key, query), headers, signal })
    const length = reply.headers['content-length']
    return {
      body: reply.body,
      version: reply.headers['x-goog-generation'],
      contentRange: reply.headers['content-range'],
      contentLength: length === undefined ? undefined : Number(length),
    }
  }

  async head(key: string, signal: AbortSignal): Promise<StoredObject> {
    return described(await this.#http.json({ method: 'GET', url: this.#object(key, { fields: FIELDS }), signal }))
  }

  /** Writes the metadata and the content of an object with one request. */
  async put(key: string, data: Uint8Array, options: PutOptions, signal: AbortSignal): Promise<string> {
    const boundary = randomUUID()
    const head =
      `--${boundary}\r\nContent-Type: application/json\r\n\r\n${description(key, options)}\r\n` +
      `--${boundary}\r\nContent-Type: application/octet-stream\r\n\r\n`
    const reply = await this.#http.json({
      method: 'POST',
      url: this.#upload('multipart', options.ifVersion),
      headers: { 'content-type': `multipart/related; boundary=${boundary}` },
      body: Buffer.concat([Buffer.from(head), data, Buffer.from(`\r\n--${boundary}--\r\n`)]),
      signal,
    })
    const { size, version } = described(reply)
    if (version === undefined || size !== data.byteLength) {
      throw unconfirmed(`writing ${this.url}/${key}`, `the reply does not name an object of ${data.byteLength} bytes`)
    }
    return version
  }

  putPieces(requests: Requests, subject: Subject, key: string, pieces: Pieces, options: PutOptions): Promise<number> {
    const upload = new GsResumableUpload(this.#http, requests, subject, {
      begin: { url: this.#upload('resumable', options.ifVersion), body: description(key, options) },
      head: async (signal) => this.head(key, signal),
      uploadId: options.uploadId,
    })
    return upload.run(pieces)
  }

  async delete(key: string, ifVersion: string | undefined, signal: AbortSignal): Promise<void> {
    const query: Record<string, string> = ifVersion === undefined ? {} : { ifGenerationMatch: ifVersion }
    await this.#http.done({ method: 'DELETE', url: this.#object(key, query), signal })
  }

  toError(error: unknown, attempted: Attempted): LitestreamError {
    return gsError(error, attempted, this.#endpoint)
  }

  /** Google's library has no connection per client, so the store closes nothing. */
  close(): void {}

  #objects(query: Readonly<Record<string, string>>): string {
    return `${this.#endpoint}/storage/v1/b/${this.#bucket}/o?${new URLSearchParams(query)}`
  }

  #object(key: string, query: Readonly<Record<string, string>>): string {
    const url = `${this.#endpoint}/storage/v1/b/${this.#bucket}/o/${encodeURIComponent(key)}`
    return Object.keys(query).length === 0 ? url : `${url}?${new URLSearchParams(query)}`
  }

  #upload(uploadType: 'multipart' | 'resumable', ifVersion: IfVersion): string {
    const query = new URLSearchParams({ uploadType, fields: FIELDS })
    if (ifVersion !== undefined) query.set('ifGenerationMatch', ifVersion ?? '0')
    return `${this.#endpoint}/upload/storage/v1/b/${this.#bucket}/o?${query}`
  }
}

function description(name: string, { timestamp, uploadId }: PutOptions): string {
  const metadata = {
    ...(timestamp !== undefined && { [TIMESTAMP_KEY]: formatTimestamp(timestamp) }),
    ...(uploadId !== undefined && { [UPLOAD_KEY]: uploadId }),
  }
  const isEmpty = Object.keys(metadata).length === 0
  return JSON.stringify({ name, contentType: 'application/octet-stream', ...(!isEmpty && { metadata }) })
}

/** Converts the API's description of an object to a StoredObject. */
function described(resource: unknown): StoredObject {
  const { name, size, generation, timeCreated, metadata } = (resource ?? {}) as Record<string, unknown>
  const { [TIMESTAMP_KEY]: timestamp, [UPLOAD_KEY]: uploadId } = (metadata ?? {}) as Record<string, unknown>
  return {
    key: text(name) ?? '',
    size: typeof size === 'string' && /^\d{1,16}$/.test(size) ? Number(size) : Number.NaN,
    createdAt: parseTimestamp(text(timestamp)) ?? parseTimestamp(text(timeCreated)) ?? Number.NaN,
    version: text(generation),
    uploadId: text(uploadId),
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}
