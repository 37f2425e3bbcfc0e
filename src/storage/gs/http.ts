import type { Readable } from 'node:stream'
import { linkAbort } from '../../util/abort.js'
import { rememberSecret } from '../../util/redact.js'
import { boundedText } from '../bounded-text.js'
import { unconfirmed } from '../unconfirmed.js'
import { GsCredentialsError, GsReplyError } from './errors.js'
import type { GoogleLibrary, HttpClient } from './google-library.js'

/**
 * Maximum size in bytes of a response that is not an object: a page of a listing has about 500 KB.
 */
const MAX_REPLY = 16 * 2 ** 20
/** Maximum bytes of an error's body that are read. */
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

/** Sends requests of the JSON API with the credentials of Google's library, one attempt each. */
export class GsHttp {
  readonly #http: HttpClient
  readonly #headers: ((url: string) => Promise<Readonly<Record<string, string>>>) | undefined

  /** `authorised`: whether requests carry credentials; an emulator gets none. */
  constructor({ Storage, http }: GoogleLibrary, authorised: boolean) {
    this.#http = http
    if (!authorised) return
    // Without a project, the library requests it from another Google service. Requests about
    // objects need none.
    const { authClient } = new Storage({ projectId: 'unused', retryOptions: { autoRetry: false } })
    this.#headers = async (url) => {
      try {
        // The library caches a token until it expires.
        return { ...(await authClient.getRequestHeaders(url)) }
      } catch (error) {
        throw new GsCredentialsError(error)
      }
    }
  }

  /** Returns the response if its status is 2xx or one of `also`. Throws GsReplyError otherwise. */
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
        // The service does not redirect, and the answer of another server is not the store's.
        redirect: 'manual',
        signal: ending.signal,
      })
      .catch((error: unknown) => {
        unlink()
        throw error
      })
    const { status } = reply
    const stream = reply.data as Readable
    // The library keeps the connection of a body that is destroyed before its end.
    stream.once('close', () => {
      unlink()
      ending.abort()
    })
    if ((status >= 200 && status < 300) || also.includes(status))
      return { status, headers: reply.headers, body: stream }
    throw await replyError(status, reply.headers, stream)
  }

  /** The JSON of an answer. */
  async json(request: GsRequest): Promise<Readonly<Record<string, unknown>>> {
    const { body } = await this.send(request)
    return parse(await boundedText(body, MAX_REPLY))
  }

  /** For responses whose content does not matter. */
  async done(request: GsRequest, also: readonly number[] = []): Promise<GsReply> {
    const reply = await this.send(request, also)
    await boundedText(reply.body, MAX_REPLY)
    return reply
  }
}

/** A response of another form is not from the service. */
export function parse(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Reported below, with the reason.
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
    // Errors of media requests are one line of text.
    const [line = ''] = said.trim().split('\n', 1)
    const isText = line !== '' && !line.startsWith('<')
    return new GsReplyError(status, { ...(isText && { message: `HTTP ${status}: ${line}` }), ...details })
  }
}
