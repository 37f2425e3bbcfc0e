import { Readable } from 'node:stream'
import type { RequestHandler } from '../../src/storage/s3/bounded-replies.js'
import { S3ReplicaClient } from '../../src/storage/s3/s3-client.js'
import type { S3Settings } from '../../src/storage/s3/settings.js'
import { parseReplicaUrl } from '../../src/storage/url.js'

/** A request as the client would have sent it, complete and signed. */
export interface CapturedRequest {
  readonly method: string
  readonly protocol: string
  readonly hostname: string
  readonly port: number | undefined
  readonly path: string
  readonly query: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface CapturedReply {
  readonly statusCode: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface CapturedClient {
  readonly client: S3ReplicaClient
  readonly sent: CapturedRequest[]
  /** Highest number of requests that were unanswered at one moment. */
  maxInFlight(): number
}

interface Outgoing extends Omit<CapturedRequest, 'body'> {
  readonly body?: string | Uint8Array
}

/**
 * A client for `url` whose requests are signed and then captured instead of sent, for hosts that
 * tests cannot reach. `reply` answers a request; by default, the store has one empty object under
 * every name.
 */
export async function capturedClient(
  url: string,
  settings: S3Settings = {},
  reply: (request: CapturedRequest) => CapturedReply = plainReply,
): Promise<CapturedClient> {
  const sent: CapturedRequest[] = []
  let inFlight = 0
  let most = 0
  const handler = {
    metadata: { handlerProtocol: 'http/1.1' },
    async handle(request: Outgoing) {
      const { method, protocol, hostname, port, path, query, headers, body = '' } = request
      const captured = {
        method,
        protocol,
        hostname,
        port,
        path,
        query,
        headers: { ...headers },
        body: Buffer.from(body),
      }
      sent.push(captured)
      most = Math.max(most, ++inFlight)
      await new Promise(setImmediate)
      inFlight--
      const { statusCode, headers: replied = {}, body: text = '' } = reply(captured)
      return { response: { statusCode, headers: { ...replied }, body: Readable.from([Buffer.from(text)]) } }
    },
    destroy() {},
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  }
  const location = parseReplicaUrl(url)
  if (location.type !== 's3') throw new Error(`${url} is not an S3 URL`)
  const client = await S3ReplicaClient.open(location, settings, {
    requestHandler: handler as unknown as RequestHandler,
    policy: { attempts: 3, budget: 5000 },
  })
  return { client, sent, maxInFlight: () => most }
}

export function plainReply({ method, query }: CapturedRequest): CapturedReply {
  if (method === 'POST' && 'uploads' in query) {
    return {
      statusCode: 200,
      body: '<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>',
    }
  }
  if (method === 'POST' && 'uploadId' in query) {
    return { statusCode: 200, body: '<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>' }
  }
  if (method === 'POST') return { statusCode: 200, body: '<DeleteResult/>' }
  if (method === 'GET' && 'list-type' in query)
    return { statusCode: 200, body: '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>' }
  return {
    statusCode: method === 'DELETE' ? 204 : 200,
    headers: { etag: '"e"', 'content-length': '0', 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' },
  }
}

/** The part of the request that the signature covers, according to the Authorization header. */
export function signedHeaders({ headers }: CapturedRequest): string[] {
  return /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1]?.split(';') ?? []
}

/** Key id and region the signature is made with: `KEY/date/region/s3/aws4_request`. */
export function signedScope({ headers }: CapturedRequest): { key: string; region: string } {
  const [, key = '', region = ''] = /Credential=([^/]+)\/\d+\/([^/]+)\//.exec(headers.authorization ?? '') ?? []
  return { key, region }
}
