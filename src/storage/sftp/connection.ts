import type { AnyAuthMethod, Client, ConnectConfig, SFTPWrapper } from 'ssh2'
import { LitestreamError } from '../../errors.js'
import { onAbort } from '../../util/abort.js'
import { startTimer } from '../../util/timers.js'
import { sftpError } from './errors.js'
import { checkHostKey, type HostKeys, preferredAlgorithms } from './host-keys.js'
import type { Ssh2 } from './library.js'

/** Interval in milliseconds between two keep-alive messages on an idle connection. */
const KEEP_ALIVE_INTERVAL = 10_000
/** Number of consecutive keep-alive messages that the server may leave unanswered. */
const KEEP_ALIVE_COUNT = 3

/** Signature algorithms of host keys that the client accepts, strongest first. */
const HOST_KEY_ALGORITHMS = [
  ...['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
  ...['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'],
] as const

export interface ConnectionOptions {
  readonly host: string
  readonly port: number
  readonly methods: readonly AnyAuthMethod[]
  /** The accepted host keys. If `hostKeys` is undefined, the client accepts any host key. */
  readonly hostKeys: HostKeys | undefined
  /**
   * Time limit in milliseconds for connecting, authentication and the start of the SFTP subsystem.
   */
  readonly timeout: number
  /** URL of the replica for messages, without the user. */
  readonly url: string
}

type Done<T> = (error: Error | null | undefined, value?: T) => void

/**
 * One SSH connection with one SFTP channel. A lost connection is not restored, so the client must
 * open a new connection.
 */
export class SftpConnection {
  readonly #client: Client
  readonly #sftp: SFTPWrapper
  readonly #url: string
  readonly #lost = new AbortController()

  private constructor(client: Client, sftp: SFTPWrapper, url: string) {
    this.#client = client
    this.#sftp = sftp
    this.#url = url
    const lose = () => this.#lose('the connection to the SFTP server was lost')
    client.on('close', lose)
    client.on('error', lose)
    sftp.on('close', lose)
    sftp.on('end', lose)
    ;(sftp as NodeJS.EventEmitter).on('error', lose)
  }

  /**
   * Connects, verifies the server's key before sending any secret, authenticates, and starts the
   * SFTP subsystem. Throws ACCESS_DENIED, UNAVAILABLE, TIMEOUT or STORAGE_FAILED. If `signal`
   * aborts, the attempt fails with the reason of the signal.
   */
  static open(library: Ssh2, options: ConnectionOptions, signal: AbortSignal): Promise<SftpConnection> {
    const { url, timeout } = options
    const client = new library.Client()
    let refusal: LitestreamError | undefined
    let agentFailure: string | undefined
    return new Promise<SftpConnection>((resolve, reject) => {
      const fail = (error: unknown) => {
        settle()
        client.destroy()
        reject(refusal ?? sftpError(withAgentFailure(error, agentFailure), 'connecting to', url))
      }
      const timer = startTimer(timeout, () => fail(noAnswer(url, timeout)))
      let forget = () => {}
      const settle = () => {
        timer.stop()
        forget()
      }
      // If `signal` has already aborted, onAbort() calls `fail` immediately.
      forget = onAbort(signal, () => fail(signal.reason))
      // The listener for error events is never removed, because an error event of an abandoned
      // connection would otherwise end the process.
      client.on('error', (error) => {
        // After a failure of the agent, ssh2 tries the next authentication method.
        if (error.level === 'agent') agentFailure = error.message
        else fail(error)
      })
      client.on('close', () => fail(new Error('Connection lost before the login was complete')))
      client.on('ready', () => {
        try {
          client.sftp((error, sftp) => {
            if (error !== undefined) return fail(error)
            settle()
            resolve(new SftpConnection(client, sftp, url))
          })
        } catch (error) {
          fail(error)
        }
      })
      try {
        client.connect(
          connectConfig(options, (error) => {
            refusal = error
          }),
        )
      } catch (error) {
        fail(error)
      }
    })
  }

  /** Aborts with UNAVAILABLE when the connection is lost. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /**
   * Sends one request. `send` calls a method of ssh2 with `done` as its callback. Rejects with the
   * error of ssh2, or with the reason of `lost`.
   */
  call<T = void>(send: (sftp: SFTPWrapper, done: Done<T>) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const { signal } = this.#lost
      if (signal.aborted) return reject(signal.reason)
      const forget = onAbort(signal, () => reject(signal.reason))
      try {
        send(this.#sftp, (error, value) => {
          forget()
          if (error) reject(error)
          else resolve(value as T)
        })
      } catch (error) {
        // The call of `send` throws if the server has not announced the extension that the request
        // needs.
        forget()
        reject(error)
      }
    })
  }

  /** Destroys the connection, so that all pending requests reject. */
  drop(why: string): void {
    this.#lose(why)
    this.#client.destroy()
  }

  /** Closes the connection after telling the server. */
  close(): void {
    this.#lose('the connection was closed')
    this.#client.end()
  }

  #lose(why: string): void {
    if (this.#lost.signal.aborted) return
    this.#lost.abort(
      new LitestreamError('UNAVAILABLE', `${this.#url}: ${why}`, {
        file: this.#url,
        hint: 'Check that the SFTP server runs, and check the network between this machine and the server.',
      }),
    )
  }
}

function connectConfig(options: ConnectionOptions, refuse: (error: LitestreamError) => void): ConnectConfig {
  const { host, port, methods, hostKeys, timeout, url } = options
  const algorithms = hostKeys === undefined ? HOST_KEY_ALGORITHMS : preferredAlgorithms(hostKeys, HOST_KEY_ALGORITHMS)
  return {
    host,
    port,
    username: methods[0]!.username,
    authHandler: [...methods],
    readyTimeout: timeout,
    keepaliveInterval: KEEP_ALIVE_INTERVAL,
    keepaliveCountMax: KEEP_ALIVE_COUNT,
    algorithms: { serverHostKey: [...algorithms] as NonNullable<ConnectConfig['algorithms']>['serverHostKey'] & [] },
    hostVerifier: (key: Buffer) => {
      const refusal = hostKeys === undefined ? undefined : checkHostKey(hostKeys, key, `${host}:${port}`)
      if (refusal === undefined) return true
      refuse(
        new LitestreamError('ACCESS_DENIED', `connecting to ${url} failed: ${refusal.message}`, {
          file: url,
          hint: refusal.hint,
        }),
      )
      return false
    },
  }
}

/** Adds the failure of the agent to the error of a failed authentication. */
function withAgentFailure(error: unknown, failure: string | undefined): unknown {
  if (failure === undefined || !(error instanceof Error) || error instanceof LitestreamError) return error
  error.message += ` (SSH agent: ${failure})`
  return error
}

function noAnswer(url: string, timeout: number): LitestreamError {
  return new LitestreamError('TIMEOUT', `connecting to ${url} failed: no answer within ${timeout} ms`, {
    file: url,
    hint: 'Check the host and port in the replica URL, and check that no firewall drops the packets.',
  })
}
