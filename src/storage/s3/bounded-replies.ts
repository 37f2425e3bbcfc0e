import type { Readable } from 'node:stream'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { onAbort } from '../../util/abort.js'

/**
 * Maximum size in bytes of a response that the SDK parses. A page of 1,000 keys of 1,024 bytes each
 * is smaller, even if most characters are escaped.
 */
const PARSED_LIMIT = 8 * 1024 * 1024

/**
 * Maximum size in bytes of an error response that the SDK parses. If an error response is longer
 * than REFUSAL_LIMIT, the client uses only its status.
 */
const REFUSAL_LIMIT = 64 * 1024

/** The SDK's request handler. Tests pass a request handler of their own. */
export type RequestHandler = NonNullable<S3ClientConfig['requestHandler']>

interface Request {
  readonly method: string
  readonly query?: Readonly<Record<string, unknown>>
}

interface Response {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  body?: Readable | Uint8Array
}

interface Handler {
  handle(request: Request, options?: { readonly abortSignal?: AbortSignal }): Promise<{ readonly response: Response }>
}

/** The error for a response that a working S3 store would never send. */
export class UnexpectedReply extends Error {
  override readonly name = 'UnexpectedReply'
  /** HTTP status of the response. */
  readonly status: number
  /**
   * Whether a retry may get a valid response, because this response was truncated or came from a
   * gateway whose store is down.
   */
  readonly passing: boolean

  constructor(status: number, message: string, passing = status === 429 || status >= 500) {
    super(message)
    this.status = status
    this.passing = passing
  }
}

/**
 * Limits the size of the responses that the SDK reads into memory and parses. boundReplies() leaves
 * the content of an object as a stream, because the body reader limits it. boundReplies() reads any
 * other response into memory, up to a limit. The request's signal also ends the reading of the
 * response. Throws UnexpectedReply for an HTML page and for a document with a DTD. Parsing an HTML
 * page or a DTD would take quadratic time in the SDK.
 */
export function boundReplies<H extends object>(handler: H): H {
  const inner = handler as unknown as Handler
  return new Proxy(handler, {
    get(target, key) {
      if (key === 'handle') return (...args: Parameters<Handler['handle']>) => handle(inner, ...args)
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

async function handle(inner: Handler, ...args: Parameters<Handler['handle']>): ReturnType<Handler['handle']> {
  const [request, options] = args
  const reply = await inner.handle(request, options)
  const { response } = reply
  const { statusCode, body, headers } = response
  const refused = statusCode >= 300
  const html = isHtml(headers['content-type'])
  if (!refused && isContent(request) && !(html && headers.etag === undefined)) return reply
  if (body === undefined || body instanceof Uint8Array) return reply
  const collected = await collect(body, refused ? REFUSAL_LIMIT : PARSED_LIMIT, options?.abortSignal)
  if (html || (collected !== undefined && isForeign(collected))) throw foreign(response, collected)
  if (!refused && collected === undefined) {
    throw new UnexpectedReply(statusCode, `the reply has more than ${PARSED_LIMIT} bytes`)
  }
  if (!refused && isList(request) && !LISTING.test(collected!.subarray(0, 1024).toString('latin1'))) {
    throw new UnexpectedReply(statusCode, 'the reply is not a listing', true)
  }
  response.body = collected ?? new Uint8Array()
  return reply
}

/** Whether a successful response to the request is the content of an object. */
function isContent({ method, query = {} }: Request): boolean {
  return method === 'GET' && query['x-id'] === 'GetObject'
}

function isList({ method, query = {} }: Request): boolean {
  return method === 'GET' && 'list-type' in query
}

const LISTING = /<([a-z0-9]+:)?ListBucketResult[\s>]/i

function isHtml(contentType = ''): boolean {
  return /^(text\/html|application\/xhtml)/i.test(contentType)
}

/** Whether the body contains a document type declaration or begins like an HTML page. */
function isForeign(body: Buffer): boolean {
  return body.includes('<!D') || body.includes('<!d') || /^\s*<html/i.test(body.subarray(0, 100).toString('latin1'))
}

function foreign({ statusCode }: Response, body: Buffer | undefined): UnexpectedReply {
  const title = /<title[^>]*>\s*([^<]{1,100}?)\s*<\/title>/i.exec(body?.toString() ?? '')?.[1]
  const shown = title === undefined ? '' : `: "${title.replace(/[^\x20-\x7e]/g, '?')}"`
  return new UnexpectedReply(statusCode, `HTTP ${statusCode}, and the reply is an HTML page${shown}`)
}

/** Reads a body into memory. Returns undefined if the body has more than `limit` bytes. */
async function collect(body: Readable, limit: number, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
  const forget = onAbort(signal, () => body.destroy(new Error('the request was cancelled')))
  const parts: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.byteLength
      if (length > limit) return undefined
      parts.push(chunk)
    }
    return Buffer.concat(parts, length)
  } finally {
    forget()
    body.destroy()
  }
}
