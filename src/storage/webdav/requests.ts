import { type ClientRequest, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { LitestreamError } from '../../errors.js'
import { abortError, onAbort, throwIfAborted } from '../../util/abort.js'
import { elapsedMs } from '../../util/elapsed.js'
import { Pending } from '../../util/pending.js'
import { startTimer } from '../../util/timers.js'
import { type Connections, certificateHint, connectionsTo } from '../http/agents.js'
import { OperationCounters } from '../operation-counters.js'
import type { OutageListener } from '../outage.js'
import type { Operation } from '../replica-client.js'
import { DEFAULT_POLICY, type RequestPolicy } from '../request-policy.js'
import { retrying } from '../retry.js'
import { Authorization } from './authorization.js'
import { statusError, webdavError } from './errors.js'
import { encodePath, type WebdavLocation, webdavUrl } from './location.js'
import type { WebdavSettings } from './settings.js'

/** Maximum number of connections to one server. */
const MAX_CONNECTIONS = 64

/**
 * Maximum number of bytes that the client reads of a response that only refuses or confirms a
 * request.
 */
const SMALL_REPLY = 64 * 1024

/**
 * Maximum number of challenges that the client answers for one request. The first challenge asks
 * for credentials, and the second challenge may report an expired nonce.
 */
const MAX_CHALLENGES = 2

/**
 * Timeout in milliseconds for the response to a PUT request. A server may write the change durably
 * to its disk before the server responds. Litestream uses the same timeout for all requests.
 */
const CHANGE_TIMEOUT = 30_000

/** The verb, path and kind of a request, for counters and messages. */
export interface Subject {
  readonly operation: Operation
  /** A verb such as "reading" or "writing". */
  readonly doing: string
  /** Percent-decoded path on the server. */
  readonly path: string
  readonly signal?: AbortSignal | undefined
}

export interface Outgoing {
  readonly method: string
  /** Percent-decoded path of the request. The default of `path` is the subject's path. */
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  /**
   * The body of the request. `size` is in bytes. The client calls `open` each time that it sends
   * the request, so a retry gets the whole body again.
   */
  readonly body?: { readonly size: number; open(): AsyncIterable<Uint8Array> | Iterable<Uint8Array> }
  /** Statuses of a response that the caller accepts. The client throws for any other status. */
  readonly accept: readonly number[]
}

export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: IncomingMessage
  /** Aborts the request if the server has responded before it received the whole body. */
  readonly abandon: () => void
}

/**
 * Sends requests to a WebDAV server. Authenticates, counts and times each request, limits every
 * wait, and converts errors to LitestreamErrors. Never follows a redirection, so that the
 * credentials go only to the server of the replica.
 */
export class WebdavRequests {
  readonly counters: OperationCounters
  readonly policy: RequestPolicy
  readonly origin: string
  readonly #connections: Connections
  readonly #authorization: Authorization
  readonly #closing = new AbortController()

  private constructor(
    location: WebdavLocation,
    connections: Connections,
    authorization: Authorization,
    policy: RequestPolicy,
    onOutage: OutageListener | undefined,
  ) {
    this.origin = location.origin
    this.counters = new OperationCounters(webdavUrl(location), onOutage)
    this.policy = policy
    this.#connections = connections
    this.#authorization = authorization
  }

  /**
   * Prepares the requests without connecting. Reads the file of certificate authorities. Throws
   * CONFIG_INVALID.
   */
  static async prepare(
    location: WebdavLocation,
    settings: WebdavSettings,
    policy: Partial<RequestPolicy> = {},
    onOutage?: OutageListener,
  ): Promise<WebdavRequests> {
    const { caFile, skipVerify } = settings
    if (settings.password !== undefined && settings.username === undefined) {
      throw new LitestreamError('CONFIG_INVALID', `${webdavUrl(location)}: the password has no user`, {
        hint: 'Set `webdav-username`, or write webdavs://USER:PASSWORD@HOST/PATH.',
      })
    }
    const connections = await connectionsTo(new URL(location.origin), {
      caFile,
      skipVerify,
      maxSockets: MAX_CONNECTIONS,
    })
    const inForce = { ...DEFAULT_POLICY, ...policy }
    return new WebdavRequests(location, connections, new Authorization(settings), inForce, onOutage)
  }

  /** Aborts when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** Returns the URL of the path `path` on the server, for messages. */
  target(path: string): string {
    return webdavUrl({ origin: this.origin, path })
  }

  /** Aborts all running requests and downloads with ABORTED, and refuses new ones. */
  close(): void {
    if (this.closing.aborted) return
    this.#closing.abort(new LitestreamError('ABORTED', `the client of ${this.target('')} was closed`))
    this.#connections.agent.destroy()
  }

  /**
   * Repeats a request until an attempt succeeds, an attempt fails permanently, or the policy allows
   * no more attempts.
   */
  retried<T>(subject: Subject, attempt: () => Promise<T>): Promise<T> {
    return retrying(attempt, {
      policy: this.policy,
      what: `${subject.doing} ${this.target(subject.path)}`,
      signal: subject.signal,
      closing: this.closing,
      counters: this.counters,
      operation: subject.operation,
    })
  }

  /**
   * Sends one request. Reads and discards the body of the response up to a limit, so that the
   * connection can be used again.
   */
  async send(subject: Subject, outgoing: Outgoing): Promise<Pick<Reply, 'status' | 'headers'>> {
    const reply = await this.open(subject, outgoing)
    await this.#drain(reply, subject.signal)
    return reply
  }

  /** Sends one request. The caller must read or destroy the body of the response. */
  async open(subject: Subject, outgoing: Outgoing): Promise<Reply> {
    throwIfAborted(subject.signal, `${subject.doing} ${this.target(subject.path)}`)
    return this.counters.track(subject.operation, async () => {
      try {
        return await this.#authorized(subject, outgoing)
      } catch (error) {
        throw this.typed(error, subject)
      }
    })
  }

  typed(error: unknown, { doing, path, signal }: Subject): LitestreamError {
    const target = this.target(path)
    if (signal?.aborted) return abortError(signal, `${doing} ${target}`)
    if (this.closing.aborted) return this.closing.reason
    return webdavError(error, { doing, target }, certificateHint(this.#connections))
  }

  async #authorized(subject: Subject, outgoing: Outgoing): Promise<Reply> {
    const uri = encodePath(outgoing.path ?? subject.path) || '/'
    for (let challenges = 0; ; challenges++) {
      const authorization = this.#authorization.header(outgoing.method, uri)
      const reply = await this.#exchange(subject, outgoing, uri, authorization)
      if (outgoing.accept.includes(reply.status)) return reply
      const said = await this.#drain(reply, subject.signal)
      reply.abandon()
      const challenge = reply.headers['www-authenticate']
      const again = reply.status === 401 && this.#authorization.accept(challenge, authorization)
      if (again && challenges < MAX_CHALLENGES) continue
      throw statusError({ doing: subject.doing, target: this.target(subject.path) }, reply, said)
    }
  }

  /**
   * Sends a request without retries. Resolves when the status and the headers of the response have
   * arrived. Every wait has a time limit.
   */
  #exchange(subject: Subject, outgoing: Outgoing, uri: string, authorization: string | undefined): Promise<Reply> {
    const { method, headers, body } = outgoing
    const { protocol, hostname, port } = new URL(this.origin)
    const start = protocol === 'https:' ? httpsRequest : httpRequest
    const sent = start({
      method,
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port || (protocol === 'https:' ? 443 : 80),
      path: uri,
      agent: this.#connections.agent,
      headers: {
        'user-agent': 'litestream-ts',
        'accept-encoding': 'identity',
        ...headers,
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-length': body.size }),
      },
    })
    const pending = new Pending<Reply>()
    const fail = (error: unknown) => {
      pending.reject(error)
      sent.destroy()
    }
    const limit = subject.operation === 'PUT' ? CHANGE_TIMEOUT : this.policy.firstByteTimeout
    const wait = startWait(limit, () => fail(this.#noAnswer(subject, limit)))
    pending.onSettled(() => wait.stop())
    sent.on('error', fail)
    pending.onAbort(subject.signal, () => fail(new Error('cancelled')))
    pending.onAbort(this.closing, () => fail(this.closing.reason))
    sent.once('response', (reply: IncomingMessage) => {
      // Node.js would end the process for an error event without a listener, and the body may emit
      // an error before a consumer reads the body.
      reply.on('error', () => undefined)
      const abandon = () => void (sent.writableFinished || sent.destroy())
      pending.resolve({ status: reply.statusCode ?? 0, headers: reply.headers, body: reply, abandon })
    })
    if (body === undefined) sent.end()
    else {
      writeBody(sent, body.open(), (count) => {
        if (subject.operation === 'PUT') this.counters.bytes('PUT', count)
        wait.restart()
      }).catch(fail)
    }
    return pending.promise
  }

  /** Reads a small body and returns its beginning as text. */
  async #drain({ body }: Reply, signal: AbortSignal | undefined): Promise<string> {
    const forget = onAbort(signal, () => body.destroy())
    const timer = startTimer(this.policy.idleTimeout, () => body.destroy())
    const parts: Buffer[] = []
    let length = 0
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        length += chunk.length
        if (length > SMALL_REPLY) break
        parts.push(chunk)
      }
    } catch {
      // An incomplete body of the response is sufficient, because the client only needs the status.
    } finally {
      forget()
      timer.stop()
      body.destroy()
    }
    return Buffer.concat(parts).toString('utf8')
  }

  #noAnswer({ doing, path }: Subject, milliseconds: number): LitestreamError {
    const target = this.target(path)
    return new LitestreamError('TIMEOUT', `${doing} ${target} failed: no answer within ${milliseconds} ms`, {
      file: target,
      hint: 'Check the URL and the network. The server may be overloaded, or a firewall may drop the requests.',
    })
  }
}

/** Starts a timer that can be restarted without creating a new timer each time. */
function startWait(limit: number, expired: () => void): { restart(): void; stop(): void } {
  let last = elapsedMs()
  let timer = startTimer(limit, check)
  function check() {
    const left = last + limit - elapsedMs()
    if (left <= 0) expired()
    else timer = startTimer(left, check)
  }
  return {
    restart: () => {
      last = elapsedMs()
    },
    stop: () => timer.stop(),
  }
}

async function writeBody(
  sent: ClientRequest,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  onBytes: (count: number) => void,
): Promise<void> {
  for await (const chunk of chunks) {
    if (sent.destroyed || sent.writableEnded) return
    if (!sent.write(chunk)) await drained(sent)
    onBytes(chunk.byteLength)
  }
  sent.end()
}

/**
 * Resolves when the request can take more bytes of the body, or when the connection ends. The
 * request itself reports the error of an ended connection.
 */
function drained(sent: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      sent.off('drain', done)
      sent.off('close', done)
      resolve()
    }
    sent.once('drain', done)
    sent.once('close', done)
  })
}
