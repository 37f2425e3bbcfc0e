import type { Readable } from 'node:stream'
import { linkAbort } from '../../util/abort.js'
import { rememberSecret } from '../../util/redact.js'
import { boundedText } from '../bounded-text.js'
import { unconfirmed } from '../unconfirmed.js'
import { GsCredentialsError, GsReplyError } from './errors.js'
import type { GoogleLibrary, HttpClient } from './google-library.js'

/**
 * Maximum size in bytes of a response that is not the content of an object. A page of a listing has
 * about 500 KB.
 */
const MAX_REPLY = 16 * 2 ** 20
/** Maximum bytes that the client reads of the body of an error response. */
const MAX_ERROR = 64 * 2 ** 10

export interface GsRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
  readonly signal: AbortSignal
}

export interface GsReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Readable
}

/**
 * Sends requests of the JSON API with the credentials of Google's library. GsHttp makes one attempt
 * per request.
 */
export class GsHttp {
  readonly #http: HttpClient
  readonly #headers: ((url: string) => Promise<Readonly<Record<string, string>>>) | undefined

  /**
   * `authorised` is true if the requests carry credentials. Requests to an emulator carry no
   * credentials.
   */
  constructor({ Storage, http }: GoogleLibrary, authorised: boolean) {
    this.#http = http
    if (!authorised) return
    // GsHttp passes a dummy project name, because Google's library would otherwise request the name
    // from another Google service. Requests about objects do not need the project.
    const { authClient } = new Storage({ projectId: 'unused', retryOptions: { autoRetry: false } })
    this.#headers = async (url) => {
      try {
        // Google's library caches the token until it expires.
        return { ...(await authClient.getRequestHeaders(url)) }
      } catch (error) {
        throw new GsCredentialsError(error)
      }
    }
  }

  /**
   * Sends a request. Returns the response if its status is 2xx or listed in `also`, otherwise
   * throws GsReplyError.
   */
  async send({ method, url, headers = {}, body, signal }: GsRequest, also: readonly number[] = []): Promise<GsReply> {
    const credentials = (await this.#headers?.(url)) ?? {}
    if (credentials.Authorization) rememberSecret(credentials.Authorization.replace(/^Bearer /, ''))
    signal.throwIfAborted()
    const ending = new AbortController()
    const unlink = linkAbort(signal, ending)
    const reply = await this.#http
      .request({
        url,
        method,
        headers: { ...headers, ...credentials },
        ...(body !== undefined && { data: body }),
        responseType: 'stream',
        validateStatus: () => true,
        retry: false,
        // Cloud Storage never redirects a request. A redirection would come from another server,
        // whose response the client must not accept.
        redirect: 'manual',
        signal: ending.signal,
      })
      .catch((error: unknown) => {
        unlink()
        throw error
      })
    const { status } = reply
    const stream = reply.data as Readable
    // If a body is destroyed before its end, Google's library keeps the connection open, so the
    // client aborts the request.
    stream.once('close', () => {
      unlink()
      ending.abort()
    })
    if ((status >= 200 && status < 300) || also.includes(status))
      return { status, headers: reply.headers, body: stream }
    throw await replyError(status, reply.headers, stream)
  }

  /** Sends a request and returns the JSON of the response. */
  async json(request: GsRequest): Promise<Readonly<Record<string, unknown>>> {
    const { body } = await this.send(request)
    return parse(await boundedText(body, MAX_REPLY))
  }

  /** Sends a request and discards the body of the response. */
  async done(request: GsRequest, also: readonly number[] = []): Promise<GsReply> {
    const reply = await this.send(request, also)
    await boundedText(reply.body, MAX_REPLY)
    return reply
  }
}

/**
 * Parses the JSON of a response. Throws for text that is not a JSON object, because Cloud Storage
 * always answers with JSON objects.
 */
export function parse(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // The code below throws an error which says that the response is not JSON.
  }
  throw unconfirmed('the request', 'the reply is not JSON')
}

async function replyError(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Readable,
): Promise<GsReplyError> {
  const seconds = Number(headers['retry-after'])
  const details = { date: headers.date, ...(seconds > 0 && { retryAfter: seconds }) }
  let said: string
  try {
    said = await boundedText(body, MAX_ERROR)
  } catch {
    return new GsReplyError(status, details) // the status is sufficient
  }
  try {
    const { error } = JSON.parse(said) as {
      error?: { message?: string; errors?: readonly { reason?: string }[] }
    }
    const [first] = error?.errors ?? []
    const reason = typeof first?.reason === 'string' ? { reason: first.reason } : {}
    const message = typeof error?.message === 'string' ? { message: `HTTP ${status}: ${error.message}` } : {}
    return new GsReplyError(status, { ...message, ...reason, ...details })
  } catch {
    // The body of an error response to a media request is one line of text.
    const [line = ''] = said.trim().split('\n', 1)
    const isText = line !== '' && !line.startsWith('<')
    return new GsReplyError(status, { ...(isText && { message: `HTTP ${status}: ${line}` }), ...details })
  }
}
