import { LitestreamError } from '../../errors.js'
import { abortError, throwIfAborted } from '../../util/abort.js'
import { milliseconds } from '../../util/duration.js'
import { orAborted } from '../../util/or-aborted.js'
import { Pending } from '../../util/pending.js'
import { startTimer } from '../../util/timers.js'
import { OperationCounters } from '../operation-counters.js'
import type { OutageListener } from '../outage.js'
import type { Operation } from '../replica-client.js'
import { DEFAULT_POLICY, type RequestPolicy } from '../request-policy.js'
import { retrying } from '../retry.js'
import { authentication, expandHome } from './authentication.js'
import { type ConnectionOptions, SftpConnection } from './connection.js'
import { sftpError } from './errors.js'
import { parseHostKeys, readKnownHosts } from './host-keys.js'
import { loadSsh2, type Ssh2 } from './library.js'
import { type SftpLocation, sftpUrl } from './location.js'
import { RemoteFiles } from './remote-files.js'
import type { SftpSettings } from './settings.js'

/** Timeout in milliseconds of a connection attempt, including the authentication. */
const CONNECT_TIMEOUT = 20_000

/** The verb, path and kind of an operation, for counters and messages. */
export interface Subject {
  readonly operation: Operation
  /** A verb such as "reading" or "writing". */
  readonly doing: string
  /** Path on the server. */
  readonly path: string
  readonly signal?: AbortSignal | undefined
}

/**
 * The connection to an SFTP server. All operations of a client share the connection. After a lost
 * connection, the session connects again. The session counts, times and retries each operation,
 * ends the operation when its signal aborts, and converts errors to LitestreamErrors. If the server
 * does not answer a request in time, the session drops the connection. An SFTP server answers
 * requests in order, so after one unanswered request it would not answer later ones either.
 */
export class SftpSession {
  readonly counters: OperationCounters
  readonly policy: RequestPolicy
  readonly url: string
  readonly #library: Ssh2
  readonly #options: ConnectionOptions
  readonly #closing = new AbortController()
  #connecting: Promise<SftpConnection> | undefined
  #connection: SftpConnection | undefined

  private constructor(
    library: Ssh2,
    options: ConnectionOptions,
    policy: RequestPolicy,
    onOutage: OutageListener | undefined,
  ) {
    this.#library = library
    this.#options = options
    this.policy = policy
    this.url = options.url
    this.counters = new OperationCounters(options.url, onOutage)
  }

  /**
   * Prepares a session without connecting. Reads the files that the settings name. Throws
   * CONFIG_INVALID.
   */
  static async prepare(
    location: SftpLocation,
    settings: SftpSettings,
    policy: Partial<RequestPolicy> = {},
    onOutage?: OutageListener,
  ): Promise<SftpSession> {
    const { host, port } = location
    const library = loadSsh2()
    if (settings.hostKey !== undefined && settings.insecureHostKey) {
      throw new LitestreamError(
        'CONFIG_INVALID',
        `${sftpUrl(location)}: \`host-key\` names the key of the server, but \`insecure-host-key: true\` accepts any key`,
        { hint: 'Delete `insecure-host-key`.' },
      )
    }
    const methods = await authentication(library, settings)
    const hostKeys =
      settings.hostKey !== undefined
        ? parseHostKeys(settings.hostKey)
        : settings.insecureHostKey
          ? undefined
          : await readKnownHosts(host, port, settings.knownHosts && expandHome(settings.knownHosts))
    const timeout = milliseconds(settings.timeout ?? CONNECT_TIMEOUT, 'timeout')
    const options = { host, port, methods, hostKeys, timeout, url: sftpUrl(location) }
    return new SftpSession(library, options, { ...DEFAULT_POLICY, ...policy }, onOutage)
  }

  /**
   * Throws ACCESS_DENIED if the settings and the known_hosts files contain no key that the client
   * could accept from the server. Without an acceptable key, no connection attempt could succeed.
   */
  checkHostKnown(): void {
    const { hostKeys, host, port, url } = this.#options
    if (hostKeys === undefined || hostKeys.keys.some(({ revoked }) => !revoked)) return
    throw new LitestreamError('ACCESS_DENIED', `${url}: no key of ${host}:${port} is known in ${hostKeys.source}`, {
      hint: 'Set `host-key` to the line that `ssh-keyscan` prints for the server, after you have compared this key with the key on the server.',
    })
  }

  /** Aborts when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** Returns the URL of the path `remote` on the server, for messages. */
  target(remote: string): string {
    return sftpUrl({ type: 'sftp', host: this.#options.host, port: this.#options.port, path: remote, settings: {} })
  }

  /**
   * Repeats an operation until an attempt succeeds, an attempt fails permanently, or the policy
   * allows no more attempts. Each attempt counts as one request.
   */
  retried<T>(subject: Subject, act: (files: RemoteFiles) => Promise<T>): Promise<T> {
    return this.#retrying(subject, () => this.once(subject, act))
  }

  /**
   * Does the same as `retried`, but counts no requests, because the caller counts a larger
   * operation that contains this one.
   */
  attempts<T>(subject: Subject, act: (files: RemoteFiles) => Promise<T>): Promise<T> {
    return this.#retrying(subject, () => this.typed(subject, () => this.#run(subject, act)))
  }

  #retrying<T>({ doing, path, operation, signal }: Subject, attempt: () => Promise<T>): Promise<T> {
    return retrying(attempt, {
      policy: this.policy,
      what: `${doing} ${this.target(path)}`,
      signal,
      closing: this.closing,
      counters: this.counters,
      operation,
    })
  }

  /** Makes one attempt of an operation. */
  async once<T>(subject: Subject, act: (files: RemoteFiles) => Promise<T>): Promise<T> {
    throwIfAborted(subject.signal, `${subject.doing} ${this.target(subject.path)}`)
    return this.counters.track(subject.operation, () => this.typed(subject, () => this.#run(subject, act)))
  }

  /** Runs `work`, and converts its error to a LitestreamError that names the subject. */
  async typed<T>(subject: Subject, work: () => Promise<T>): Promise<T> {
    const { doing, path, signal } = subject
    try {
      return await work()
    } catch (error) {
      if (signal?.aborted) throw abortError(signal, `${doing} ${this.target(path)}`)
      if (this.closing.aborted) throw this.closing.reason
      throw sftpError(error, doing, this.target(path))
    }
  }

  /**
   * Returns the requests on the current connection, or on a new connection. `signal` ends only this
   * caller's wait, because other operations may wait for the same connection attempt.
   */
  async files(subject: Subject): Promise<RemoteFiles> {
    const { doing, path, signal } = subject
    const connection = await orAborted(this.#connect(), [signal, this.closing], (each) =>
      each === signal ? abortError(each, `${doing} ${this.target(path)}`) : each.reason,
    )
    return new RemoteFiles(connection, (work, what) => this.#bounded(connection, subject, work, what))
  }

  async #run<T>(subject: Subject, act: (files: RemoteFiles) => Promise<T>): Promise<T> {
    return act(await this.files(subject))
  }

  /**
   * Waits for `work`, a request on `connection`. The wait ends when the idle timeout of the policy
   * has passed or a signal aborts.
   */
  #bounded<T>(
    connection: SftpConnection,
    { doing, path, signal }: Subject,
    work: Promise<T>,
    what: string,
  ): Promise<T> {
    const { idleTimeout } = this.policy
    const pending = new Pending<T>()
    const timer = startTimer(idleTimeout, () => {
      pending.reject(this.#noAnswer(doing, path, what, idleTimeout))
      connection.drop(`the server did not answer ${what} within ${idleTimeout} ms`)
    })
    pending.onSettled(() => timer.stop())
    pending.onAbort(signal, () => pending.reject(abortError(signal!, `${doing} ${this.target(path)}`)))
    pending.onAbort(this.closing, () => pending.reject(this.closing.reason))
    pending.follow(work)
    return pending.promise
  }

  #noAnswer(doing: string, path: string, what: string, milliseconds: number): LitestreamError {
    const target = this.target(path)
    return new LitestreamError('TIMEOUT', `${doing} ${target} failed: no answer to ${what} within ${milliseconds} ms`, {
      file: target,
      hint: 'Check that the SFTP server and its disk are not overloaded, and check the network to the server.',
    })
  }

  #connect(): Promise<SftpConnection> {
    if (this.closing.aborted) return Promise.reject(this.closing.reason)
    if (this.#connection !== undefined && !this.#connection.lost.aborted) return Promise.resolve(this.#connection)
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined
    })
    return this.#connecting
  }

  async #open(): Promise<SftpConnection> {
    const connection = await SftpConnection.open(this.#library, this.#options, this.closing)
    if (this.closing.aborted) {
      connection.close()
      throw this.closing.reason
    }
    this.#connection = connection
    return connection
  }

  /** Aborts all running operations with ABORTED, and refuses new ones. */
  close(): void {
    if (this.closing.aborted) return
    this.#closing.abort(new LitestreamError('ABORTED', `the client of ${this.url} was closed`))
    this.#connection?.close()
  }
}
