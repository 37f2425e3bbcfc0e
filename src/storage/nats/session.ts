import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { LitestreamError } from '../../errors.js'
import { throwIfAborted } from '../../util/abort.js'
import { timeoutSignal } from '../../util/timers.js'
import { OperationCounters } from '../operation-counters.js'
import type { OutageListener } from '../outage.js'
import type { Operation } from '../replica-client.js'
import { DEFAULT_POLICY, type RequestPolicy } from '../request-policy.js'
import { retrying } from '../retry.js'
import { connectionOptions, natsTimeout } from './connection-options.js'
import { isNoBucket, isNoResponders, natsError } from './errors.js'
import { connect, jetstream, jetstreamManager } from './library.js'
import { streamName } from './names.js'
import { raced } from './raced.js'
import type { NatsSettings } from './settings.js'

export interface SessionOptions {
  /** Address of the server as `host:port`. */
  readonly server: string
  readonly bucket: string
  /** URL that names the replica in messages. */
  readonly url: string
  readonly settings: NatsSettings
  /**
   * Values that replace the values of DEFAULT_POLICY. `firstByteTimeout` comes from the settings.
   */
  readonly policy?: Partial<Omit<RequestPolicy, 'firstByteTimeout'>>
  readonly onOutage?: OutageListener | undefined
}

export interface Request {
  readonly operation: Operation
  /** A verb such as "reading" or "writing". */
  readonly doing: string
  /**
   * Name of the object that the request concerns, or undefined for a request that concerns the
   * whole bucket.
   */
  readonly name?: string
  readonly signal?: AbortSignal | undefined
}

/**
 * The connection to a NATS server. All requests of a client share the connection. If the connection
 * is lost, a request waits until the connection is restored. After a temporary fault, the session
 * retries the request. The session counts and times each request and converts errors to
 * LitestreamErrors. If the signal of a request aborts, the session ends the request.
 */
export class NatsSession {
  readonly connection: NatsConnection
  readonly stream: string
  readonly bucket: string
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly counters: OperationCounters
  /**
   * Whether the bucket allows direct reads. Any server that has a copy of the stream may answer a
   * direct read.
   */
  direct = false
  readonly #url: string
  readonly #policy: RequestPolicy
  readonly #closed = new AbortController()
  readonly #reconnectListeners = new Set<() => void>()
  /** Aborts when the current connection is lost. Each new connection gets a new AbortController. */
  #lost = new AbortController()
  /**
   * Resolves when the lost connection is restored. The field is undefined while the session is
   * connected.
   */
  #back: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  private constructor(
    options: SessionOptions,
    connection: NatsConnection,
    jsm: JetStreamManager,
    counters: OperationCounters,
  ) {
    const timeout = natsTimeout(options.settings)
    this.connection = connection
    this.bucket = options.bucket
    this.stream = streamName(options.bucket)
    this.jsm = jsm
    this.js = jetstream(connection, { timeout })
    this.counters = counters
    this.#url = options.url
    this.#policy = { ...DEFAULT_POLICY, ...options.policy, firstByteTimeout: timeout }
    void this.#follow()
  }

  /**
   * Connects. Throws ACCESS_DENIED, UNAVAILABLE, TIMEOUT, or CONFIG_INVALID for settings that
   * exclude each other.
   */
  static async open(options: SessionOptions, signal?: AbortSignal): Promise<NatsSession> {
    const what = `connecting to ${options.url}`
    throwIfAborted(signal, what)
    const settings = await connectionOptions(options.server, options.settings)
    const counters = new OperationCounters(options.url, options.onOutage)
    const connection = await retrying(
      async () => {
        const connecting = connect(settings)
        try {
          return await raced(connecting, what, signal)
        } catch (error) {
          // If the connection is established only after the caller has given up waiting, open()
          // closes the connection. If the late connection attempt fails instead, open() ignores the
          // error.
          void connecting.then((late) => late.close()).catch(() => undefined)
          throw natsError(error, 'connecting to', options.url)
        }
      },
      { policy: DEFAULT_POLICY, what, signal, counters, operation: undefined },
    )
    const timeout = natsTimeout(options.settings)
    const jsm = await jetstreamManager(connection, { timeout, checkAPI: false })
    return new NatsSession(options, connection, jsm, counters)
  }

  /** Aborts when the session is closed. */
  get closing(): AbortSignal {
    return this.#closed.signal
  }

  /** Timeout of a request in milliseconds. */
  get timeout(): number {
    return this.#policy.firstByteTimeout
  }

  /** Timeouts and maximum number of attempts of a request. */
  get policy(): RequestPolicy {
    return this.#policy
  }

  label(name?: string): string {
    return name === undefined ? this.#url : `${this.#url} ${name}`
  }

  /**
   * Calls `listener` each time a lost connection is restored. Returns a function that removes the
   * listener.
   */
  onReconnect(listener: () => void): () => void {
    this.#reconnectListeners.add(listener)
    return () => this.#reconnectListeners.delete(listener)
  }

  /**
   * Sends one request, and retries the request after temporary faults. The parameter `before` of
   * `send` is the number of previous attempts.
   */
  request<T>(request: Request, send: (before: number) => Promise<T>): Promise<T> {
    const { operation, doing, name, signal } = request
    const target = this.label(name)
    const what = `${doing} ${target}`
    return retrying(
      async (before) => {
        throwIfAborted(signal, what)
        await this.#connected(what, signal)
        return this.counters.track(operation, async () => {
          try {
            return await raced(send(before), what, signal, this.#lost.signal, this.#closed.signal)
          } catch (error) {
            if (isNoResponders(error)) await this.#checkBucket(doing, target)
            throw natsError(error, doing, target)
          }
        })
      },
      {
        policy: this.#policy,
        what,
        signal,
        closing: this.#closed.signal,
        counters: this.counters,
        operation,
      },
    )
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return
    this.#closed.abort(new LitestreamError('ABORTED', `the client of ${this.#url} was closed`))
    await this.connection.close()
  }

  /**
   * Waits until a lost connection is restored. The wait takes at most the timeout of one request.
   */
  async #connected(what: string, signal: AbortSignal | undefined): Promise<void> {
    if (this.#closed.signal.aborted) throw this.#closed.signal.reason
    if (this.#back === undefined) return
    const patience = timeoutSignal(this.#policy.firstByteTimeout)
    try {
      await raced(this.#back.promise, what, signal, this.#closed.signal, patience)
    } catch (error) {
      if (!patience.aborted || signal?.aborted || this.#closed.signal.aborted) throw error
      throw this.#unavailable(what)
    }
  }

  /**
   * Throws NOT_FOUND if the bucket does not exist, which is a possible reason for a request without
   * responders. Returns without an error if the bucket may exist, because a server that is just
   * starting has no responders either.
   */
  async #checkBucket(doing: string, target: string): Promise<void> {
    try {
      await this.jsm.streams.info(this.stream)
    } catch (error) {
      if (isNoBucket(error)) throw natsError(error, doing, target)
    }
  }

  #unavailable(what: string): LitestreamError {
    return new LitestreamError('UNAVAILABLE', `${what} failed: the connection to the NATS server was lost`, {
      file: this.#url,
      hint: 'Check that the NATS server runs and that this machine can reach it.',
    })
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type === 'disconnect') this.#disconnected()
      else if (type === 'reconnect') this.#reconnected()
    }
  }

  #disconnected(): void {
    if (this.#back !== undefined) return
    let resolve = () => {}
    const promise = new Promise<void>((done) => {
      resolve = done
    })
    this.#back = { promise, resolve }
    this.#lost.abort(this.#unavailable('the request'))
  }

  #reconnected(): void {
    this.#lost = new AbortController()
    this.#back?.resolve()
    this.#back = undefined
    for (const listener of this.#reconnectListeners) listener()
  }
}
