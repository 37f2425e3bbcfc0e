import type { Readable } from 'node:stream'
import type { BlobClient, BlockBlobClient, ContainerClient, ModifiedAccessConditions } from '@azure/storage-blob'
import type { LitestreamError } from '../../errors.js'
import { versionOf } from '../entity-tags.js'
import type { ObjectReply } from '../http-download.js'
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
import { rangeError } from '../range.js'
import type { ByteRange } from '../replica-client.js'
import { formatTimestamp, parseTimestamp } from '../timestamp-metadata.js'
import { unconfirmed } from '../unconfirmed.js'
import { putBlocks } from './block-upload.js'
import { openContainer } from './container.js'
import { absError } from './errors.js'
import type { AbsLocation } from './location.js'
import type { AbsSettings } from './settings.js'

/** Size of a block in bytes. A blob has at most 50,000 blocks, so a blob has at most 390 GiB. */
const PIECE_SIZE = 8 * 2 ** 20

/**
 * Name of the LTX timestamp in the metadata, as Litestream writes it. Azure allows no "-" in
 * metadata names.
 */
const TIMESTAMP_NAME = 'litestreamtimestamp'
/** See UPLOAD_KEY. */
const UPLOAD_NAME = 'litestreamupload'

/**
 * Azurite sends a Content-Range such as `bytes 10-9/10` if the requested range is beyond the end of
 * a blob. Azure itself answers a range after the end of a blob with status 416.
 */
const EMPTY_RANGE = /^bytes \d+-\d+\/(\d+)$/

/**
 * Fields of the request that creates a blob, which are the metadata of the blob and the conditions
 * of the request.
 */
export interface BlobAttributes {
  readonly metadata?: Record<string, string>
  readonly blobHTTPHeaders: { readonly blobContentType: string }
  readonly conditions: ModifiedAccessConditions
}

/**
 * A container of Azure Blob Storage. The version of a blob is its entity tag without the quotes.
 */
export class AbsStore implements ObjectStore {
  readonly type = 'abs'
  readonly url: string
  readonly pieceSize = PIECE_SIZE
  readonly suffixRanges = false
  readonly #container: ContainerClient
  readonly #endpoint: string
  readonly #pageSize: number | undefined

  /**
   * Creates the store without sending a request. Throws PACKAGE_MISSING, or INVALID_URL for
   * incomplete settings.
   */
  constructor(location: AbsLocation, given: AbsSettings = {}, pageSize?: number) {
    const { client, url, endpoint } = openContainer(location, given)
    this.#container = client
    this.#endpoint = endpoint
    this.url = url
    this.#pageSize = pageSize
  }

  /**
   * Lists one page. Ignores the start key `from`, because only the newest versions of Azure's
   * service support a start key. The caller removes the keys that sort before `from`.
   */
  async listPage(
    prefix: string,
    { token }: { readonly token?: string | undefined },
    abortSignal: AbortSignal,
  ): Promise<ObjectPage> {
    const pages = this.#container.listBlobsFlat({ prefix, includeMetadata: true, abortSignal })
    const { value: page } = await pages.byPage(this.#place(token)).next()
    // A response that is not a listing does not prove that the container is empty, so listPage()
    // throws.
    if (!Array.isArray(page?.segment?.blobItems)) throw unconfirmed('the listing', 'the reply is not a listing')
    const objects = (page as Page).segment.blobItems.map(({ name, properties, metadata }) => ({
      key: name,
      size: properties.contentLength ?? Number.NaN,
      createdAt: createdAt(metadata, properties.createdOn ?? properties.lastModified),
      version: versionOf(properties.etag),
    }))
    return { objects, next: (page as Page).continuationToken || undefined }
  }

  async listFolders(prefix: string, token: string | undefined, abortSignal: AbortSignal): Promise<FolderPage> {
    const pages = this.#container.listBlobsByHierarchy('/', { prefix, abortSignal })
    const { value: page } = await pages.byPage(this.#place(token)).next()
    if (!Array.isArray(page?.segment?.blobItems)) throw unconfirmed('the listing', 'the reply is not a listing')
    const { blobPrefixes = [] } = (page as Page).segment
    return { prefixes: blobPrefixes.map(({ name }) => name), next: (page as Page).continuationToken || undefined }
  }

  #place(token: string | undefined) {
    return {
      ...(token !== undefined && { continuationToken: token }),
      ...(this.#pageSize !== undefined && { maxPageSize: this.#pageSize }),
    }
  }

  /**
   * Reads a range of a blob. Throws INVALID_ARGUMENT for a suffix range, which Azure does not
   * support.
   */
  async get(
    key: string,
    range: ByteRange,
    version: string | undefined,
    abortSignal: AbortSignal,
  ): Promise<ObjectReply> {
    if ('suffix' in range) throw rangeError(range, undefined, `${this.url}/${key}`)
    const reply = await this.#blob(key).download(range.offset, range.length, {
      abortSignal,
      // readBody() continues an interrupted body, so the Azure library must not retry interrupted
      // downloads itself.
      maxRetryRequests: 0,
      conditions: conditionsOf(version),
    })
    const body = reply.readableStreamBody as Readable
    const [, size] = EMPTY_RANGE.exec(reply.contentRange ?? '') ?? []
    if (size !== undefined && range.offset >= Number(size)) {
      body.destroy()
      throw rangeError(range, Number(size), `${this.url}/${key}`)
    }
    return {
      body,
      version: versionOf(reply.etag),
      contentRange: reply.contentRange,
      contentLength: reply.contentLength,
    }
  }

  async head(key: string, abortSignal: AbortSignal): Promise<StoredObject> {
    const { contentLength, etag, lastModified, createdOn, metadata } = await this.#blob(key).getProperties({
      abortSignal,
    })
    return {
      key,
      size: contentLength ?? Number.NaN,
      createdAt: createdAt(metadata, createdOn ?? lastModified),
      version: versionOf(etag),
      uploadId: metadataValue(metadata, UPLOAD_NAME),
    }
  }

  async put(key: string, data: Uint8Array, options: PutOptions, abortSignal: AbortSignal): Promise<string> {
    const body = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    const { etag } = await this.#block(key).upload(body, body.byteLength, { ...attributesOf(options), abortSignal })
    const version = versionOf(etag)
    if (version === undefined) throw unconfirmed(`writing ${this.url}/${key}`, 'the reply has no ETag')
    return version
  }

  putPieces(requests: Requests, subject: Subject, key: string, pieces: Pieces, options: PutOptions): Promise<number> {
    const blob = this.#block(key)
    return putBlocks(requests, subject, pieces, {
      blob,
      attributes: attributesOf(options),
      uploadId: options.uploadId,
      head: (signal) => this.head(key, signal),
    })
  }

  async delete(key: string, ifVersion: string | undefined, abortSignal: AbortSignal): Promise<void> {
    await this.#blob(key).delete({ abortSignal, conditions: conditionsOf(ifVersion) })
  }

  toError(error: unknown, attempted: Attempted): LitestreamError {
    return absError(error, attempted, this.#endpoint)
  }

  /**
   * The Azure library shares its connections among all clients of the process, so the store closes
   * nothing.
   */
  close(): void {}

  #blob(key: string): BlobClient {
    return this.#container.getBlobClient(key)
  }

  #block(key: string): BlockBlobClient {
    return this.#container.getBlockBlobClient(key)
  }
}

/** The fields that AbsStore reads in a page of a listing from Azure's library. */
interface Page {
  readonly continuationToken?: string
  readonly segment: {
    readonly blobPrefixes?: readonly { readonly name: string }[]
    readonly blobItems: readonly {
      readonly name: string
      readonly properties: {
        readonly contentLength?: number
        readonly createdOn?: Date
        readonly lastModified?: Date
        readonly etag?: string
      }
      readonly metadata?: Readonly<Record<string, string>>
    }[]
  }
}

function attributesOf({ ifVersion, timestamp, uploadId }: PutOptions): BlobAttributes {
  return {
    blobHTTPHeaders: { blobContentType: 'application/octet-stream' },
    conditions: conditionsOf(ifVersion),
    metadata: {
      ...(timestamp !== undefined && { [TIMESTAMP_NAME]: formatTimestamp(timestamp) }),
      ...(uploadId !== undefined && { [UPLOAD_NAME]: uploadId }),
    },
  }
}

function conditionsOf(version: IfVersion): ModifiedAccessConditions {
  if (version === null) return { ifNoneMatch: '*' }
  return version === undefined ? {} : { ifMatch: `"${version}"` }
}

type Metadata = Readonly<Record<string, string>> | undefined

/**
 * Returns the metadata value whose name in lower case is `wanted`. Azure keeps the case in which a
 * client wrote the name.
 */
function metadataValue(metadata: Metadata, wanted: string): string | undefined {
  return Object.entries(metadata ?? {}).find(([name]) => name.toLowerCase() === wanted)?.[1]
}

function createdAt(metadata: Metadata, otherwise: Date | undefined): number {
  return parseTimestamp(metadataValue(metadata, TIMESTAMP_NAME)) ?? otherwise?.getTime() ?? Number.NaN
}
