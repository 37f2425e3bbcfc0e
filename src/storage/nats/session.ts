import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { LitestreamError } from '../../errors.js'
import { throwIfAborted } from '../../util/abort.js'
import { timeoutSignal } from '../../util/timers.js'
import { OperationCounters } from '../operation-counters.js'
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
  /** `host:port` */
  readonly server: string
  readonly bucket: string
  /** What messages call the replica. */
  readonly url: string
  readonly settings: NatsSettings
  /** What differs from DEFAULT_POLICY; `firstByteTimeout` is a setting. */
  readonly policy?: Partial<Omit<RequestPolicy, 'firstByteTimeout'>>
}

export interface Request {
  readonly operation: Operation
  /** "reading", "writing", … */
  readonly doing: string
  /** The object's name; the bucket, without it. */
  readonly name?: string
  readonly signal?: AbortSignal | undefined
}

/**
 * The connection to a NATS server and everything that is the same for each request over it: it waits for the connection, is counted,
 * timed, given up with its signal, tried again after a passing fault, and throws LitestreamErrors.
 */
export class NatsSession {
  readonly connection: NatsConnection
  readonly stream: string
  readonly bucket: string
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly counters: OperationCounters
  /** Whether any server that has the bucket may answer a read, not only its leader; the bucket says so. */
  direct = false
  readonly #url: string
  readonly #policy: RequestPolicy
  readonly #closed = new AbortController()
  readonly #reconnectListeners = new Set<() => void>()
  /** Fires when the connection is lost; a new one stands for each connection. */
  #lost = new AbortController()
  /** Resolves when it is there again; undefined while it is. */
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

  /** Connects. Throws ACCESS_DENIED, UNAVAILABLE, TIMEOUT, or CONFIG_INVALID for settings that do not go together. */
  static async open(options: SessionOptions, signal?: AbortSignal): Promise<NatsSession> {
    const what = `connecting to ${options.url}`
    throwIfAborted(signal, what)
    const settings = await connectionOptions(options.server, options.settings)
    const counters = new OperationCounters()
    const connection = await retrying(
      async () => {
        const connecting = connect(settings)
        try {
          return await raced(connecting, what, signal)
        } catch (error) {
          // Comes too late for whoever gave up: it must not stay open, and that it failed is no news.
          void connecting.then((late) => late.close()).catch(() => undefined)
          throw natsError(error, 'connecting to', options.url)
        }
      },
      { policy: DEFAULT_POLICY, what, signal, onRetry: () => undefined },
    )
    const timeout = natsTimeout(options.settings)
    const jsm = await jetstreamManager(connection, { timeout, checkAPI: false })
    return new NatsSession(options, connection, jsm, counters)
  }

  /** Fires when the session is closed. */
  get closing(): AbortSignal {
    return this.#closed.signal
  }

  /** Milliseconds until a request is given up. */
  get timeout(): number {
    return this.#policy.firstByteTimeout
  }

  /** How long and how often requests are tried. */
  get policy(): RequestPolicy {
    return this.#policy
  }

  label(name?: string): string {
    return name === undefined ? this.#url : `${this.#url} ${name}`
  }

  /** Is told after each time the connection was lost and is there again. Returns the function that ends it. */
  onReconnect(listener: () => void): () => void {
    this.#reconnectListeners.add(listener)
    return () => this.#reconnectListeners.delete(listener)
  }

  /** One request, repeated after passing faults. `send` is told how many attempts went before. */
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
        onRetry: () => this.counters.retry(operation),
      },
    )
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return
    this.#closed.abort(new LitestreamError('ABORTED', `${this.#url} was closed`))
    await this.connection.close()
  }

  /** Waits for a lost connection to come back. */
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

  /** A request for a bucket that is not there finds nobody who listens, as does one to a server that is just starting. */
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
      hint: 'Check that the NATS server runs and can be reached.',
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
