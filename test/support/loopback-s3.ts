import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import type { TestContext } from 'node:test'
import { cleanUp } from './clean-up.js'

/** A request that the store received. */
export interface LoopbackRequest {
  readonly kind: 'GET' | 'HEAD' | 'PUT' | 'DELETE' | 'LIST' | 'POST'
  /** Key of the object, without the bucket. */
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

export interface StoredObject {
  readonly body: Buffer
  readonly headers?: Readonly<Record<string, string>>
}

/** Answers the request itself and returns true, or returns false so that the store answers. */
export type Behaviour = (request: LoopbackRequest, response: ServerResponse) => boolean

export interface LoopbackS3 {
  readonly endpoint: string
  readonly objects: Map<string, StoredObject>
  readonly seen: LoopbackRequest[]
  behave(behaviour: Behaviour): void
  /** The replica URL of `path` in the bucket "b". */
  url(path?: string): string
}

/** Credentials for a store that does not check signatures. */
export const LOOPBACK_KEYS = { AWS_ACCESS_KEY_ID: 'loopback', AWS_SECRET_ACCESS_KEY: 'loopback' }

/**
 * An S3 store in memory, of one bucket, on 127.0.0.1, whose misbehaviour a test selects as no real
 * server does on command. It knows what clients of this project send: objects, ranges, multipart
 * uploads, ListObjectsV2, If-None-Match, If-Match and DeleteObjects. It verifies no signature. `tls`: it
 * speaks https.
 */
export async function loopbackS3(
  t: Pick<TestContext, 'after'>,
  behaviour: Behaviour = () => false,
  tls?: { readonly key: Buffer; readonly cert: Buffer },
): Promise<LoopbackS3> {
  const objects = new Map<string, StoredObject>()
  const seen: LoopbackRequest[] = []
  const sockets = new Set<Socket>()
  let behave = behaviour
  const onRequest = (req: IncomingMessage, res: ServerResponse) => {
    void answer(req, res).catch(() => res.destroy())
  }
  const server = tls === undefined ? createServer(onRequest) : createTlsServer(tls, onRequest)
  const answer = async (req: IncomingMessage, res: ServerResponse) => {
    const request = await parse(req)
    seen.push(request)
    if (!behave(request, res)) respond(objects, request, res)
  }
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUp(t, async () => {
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  })
  const endpoint = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    endpoint,
    objects,
    seen,
    behave: (next) => {
      behave = next
    },
    url: (path = 'app') => `s3://loopback:loopback@b/${path}?endpoint=${encodeURIComponent(endpoint)}&region=us-east-1`,
  }
}

async function parse(req: IncomingMessage): Promise<LoopbackRequest> {
  // As a proxy gets it, the whole URL; not through a URL object, which would remove "." from the
  // path.
  const [pathname = '/', query = ''] = (req.url ?? '/').replace(/^https?:\/\/[^/]+/, '').split('?', 2)
  const searchParams = new URLSearchParams(query)
  const method = req.method as 'GET' | 'HEAD' | 'PUT' | 'DELETE' | 'POST'
  const kind = method === 'GET' && searchParams.has('list-type') ? 'LIST' : method
  // The bucket is in the path, or before the host.
  const segments = decodeURIComponent(pathname).split('/').slice(1)
  const key = (req.headers.host?.startsWith('bucket.') ? segments : segments.slice(1)).join('/')
  return { kind, key, query: searchParams, headers: req.headers, body: await buffer(req) }
}

export function etagOf(object: StoredObject): string {
  let tag = tags.get(object.body)
  if (tag === undefined) {
    tag = `"${createHash('md5').update(object.body).digest('hex')}"`
    tags.set(object.body, tag)
  }
  return tag
}

/** Entity tags by content, which never changes. */
const tags = new WeakMap<Buffer, string>()

function respond(objects: Map<string, StoredObject>, request: LoopbackRequest, res: ServerResponse): void {
  const { kind, key, query, headers, body } = request
  const existing = objects.get(key)
  switch (kind) {
    case 'LIST':
      sendListing(res, pageOf(objects, query))
      break
    case 'PUT': {
      const uploadId = query.get('uploadId')
      if (uploadId !== null) {
        const part = { body }
        // Kept beside the objects, where no listing and no test sees them.
        partsOf(objects, uploadId).set(Number(query.get('partNumber')), part)
        res.writeHead(200, { etag: etagOf(part), 'content-length': 0 }).end()
        break
      }
      const expected = headers['if-match']
      const isTaken = headers['if-none-match'] === '*' && existing !== undefined
      if (isTaken || (expected !== undefined && (!existing || etagOf(existing) !== expected))) {
        sendError(res, 412, 'PreconditionFailed')
        break
      }
      const object = { body, headers: metadataOf(headers) }
      objects.set(key, object)
      res.writeHead(200, { etag: etagOf(object), 'content-length': 0 }).end()
      break
    }
    case 'DELETE':
      if (!query.has('uploadId')) objects.delete(key)
      res.writeHead(204).end()
      break
    case 'POST':
      if (query.has('uploads')) {
        const id = randomUUID()
        uploadHeaders.set(id, metadataOf(headers))
        sendXml(res, 200, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
        break
      }
      if (query.has('uploadId')) {
        completeUpload(objects, request, res)
        break
      }
      for (const [, doomed] of String(body).matchAll(/<Key>([^<]*)<\/Key>/g)) objects.delete(doomed!)
      sendXml(res, 200, '<DeleteResult></DeleteResult>')
      break
    default:
      if (existing === undefined) sendError(res, 404, 'NoSuchKey')
      else sendObject(res, existing, kind === 'HEAD', headers.range)
  }
}

/** The headers of an object's answers. */
export function objectHeaders(object: StoredObject): Record<string, string> {
  return { etag: etagOf(object), 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT', ...object.headers }
}

type Parts = Map<number, StoredObject>
const uploads = new WeakMap<Map<string, StoredObject>, Map<string, Parts>>()
const uploadHeaders = new Map<string, Record<string, string>>()

/** The parts of a multipart upload, by number. */
function partsOf(objects: Map<string, StoredObject>, id: string): Parts {
  const all = uploads.get(objects) ?? new Map<string, Parts>()
  uploads.set(objects, all)
  const parts = all.get(id) ?? new Map()
  all.set(id, parts)
  return parts
}

function completeUpload(objects: Map<string, StoredObject>, request: LoopbackRequest, res: ServerResponse): void {
  const { key, query, headers } = request
  const id = query.get('uploadId')!
  if (headers['if-none-match'] === '*' && objects.has(key)) {
    sendError(res, 412, 'PreconditionFailed')
    return
  }
  const parts = [...partsOf(objects, id)].sort(([a], [b]) => a - b).map(([, { body }]) => body)
  const object = { body: Buffer.concat(parts), headers: uploadHeaders.get(id) ?? {} }
  uploads.get(objects)?.delete(id)
  objects.set(key, object)
  const tag = escaped(etagOf(object))
  sendXml(res, 200, `<CompleteMultipartUploadResult><ETag>${tag}</ETag></CompleteMultipartUploadResult>`)
}

function metadataOf(headers: IncomingMessage['headers']): Record<string, string> {
  const metadata = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'))
  return Object.fromEntries(metadata) as Record<string, string>
}

function sendObject(res: ServerResponse, object: StoredObject, head: boolean, range: string | undefined): void {
  const size = object.body.length
  const headers = objectHeaders(object)
  const match = /^bytes=(\d*)-(\d*)$/.exec(range ?? '')
  if (head || match === null) {
    res.writeHead(200, { ...headers, 'content-length': size }).end(head ? undefined : object.body)
    return
  }
  const [, from = '', to = ''] = match
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from)
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  if (start >= size) {
    sendError(res, 416, 'InvalidRange')
    return
  }
  const part = object.body.subarray(start, last + 1)
  res.writeHead(206, {
    ...headers,
    'content-range': `bytes ${start}-${last}/${size}`,
    'content-length': part.length,
  })
  res.end(part)
}

/** An entry of a listing; each field as it stands in the XML. */
export interface ListedEntry {
  readonly Key: string
  readonly Size?: string | number
  readonly ETag?: string
  readonly LastModified?: string
}

export interface ListingPage {
  readonly entries: readonly ListedEntry[]
  /** Folders, as CommonPrefixes. */
  readonly prefixes?: readonly string[]
  readonly token?: string | undefined
  readonly truncated?: boolean
}

function pageOf(objects: Map<string, StoredObject>, query: URLSearchParams): ListingPage {
  const after = query.get('continuation-token') ?? query.get('start-after') ?? ''
  const prefix = query.get('prefix') ?? ''
  const limit = Number(query.get('max-keys') ?? 1000)
  const delimiter = query.get('delimiter')
  const found = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
  const folderOf = (key: string) => {
    const end = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length)
    return end < 0 ? undefined : key.slice(0, end + 1)
  }
  const prefixes = [...new Set(found.flatMap((key) => folderOf(key) ?? []))]
  const keys = found.filter((key) => folderOf(key) === undefined)
  const entries = keys.slice(0, limit).map((key) => entryOf(key, objects.get(key)!))
  return { entries, prefixes, token: keys.length > limit ? keys[limit - 1] : undefined }
}

export function entryOf(Key: string, object: StoredObject): ListedEntry {
  return { Key, Size: object.body.length, ETag: etagOf(object), LastModified: '2026-01-01T00:00:00.000Z' }
}

export function sendListing(res: ServerResponse, page: ListingPage): void {
  const { entries, prefixes = [], token, truncated = token !== undefined } = page
  const contents = entries.map(
    (entry) =>
      `<Contents>${Object.entries(entry)
        .map(([name, value]) => `<${name}>${escaped(String(value))}</${name}>`)
        .join('')}</Contents>`,
  )
  const folders = prefixes.map((one) => `<CommonPrefixes><Prefix>${escaped(one)}</Prefix></CommonPrefixes>`)
  const next = token === undefined ? '' : `<NextContinuationToken>${escaped(token)}</NextContinuationToken>`
  sendXml(
    res,
    200,
    `<ListBucketResult><KeyCount>${entries.length}</KeyCount><IsTruncated>${truncated}</IsTruncated>${next}${contents.join('')}${folders.join('')}</ListBucketResult>`,
  )
}

export function sendError(res: ServerResponse, status: number, code: string): void {
  sendXml(res, status, `<Error><Code>${code}</Code><Message>${code} of the loopback store</Message></Error>`)
}

export function sendXml(res: ServerResponse, status: number, xml: string): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?>${xml}`
  res.writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body) }).end(body)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

/** Sends `chunk` again and again until the client goes away. Returns how many bytes went out. */
export async function sendWithoutEnd(res: ServerResponse, chunk: Uint8Array): Promise<number> {
  let bytes = 0
  const source = async function* () {
    for (;;) {
      bytes += chunk.length
      yield chunk
      await new Promise(setImmediate)
    }
  }
  // The client has disconnected, which is the expected end.
  await pipeline(source, res).catch(() => undefined)
  return bytes
}
