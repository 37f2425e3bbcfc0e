import type { S3Client } from '@aws-sdk/client-s3'
import { LitestreamError } from '../../errors.js'
import { abortError, throwIfAborted } from '../../util/abort.js'
import { orAborted } from '../../util/or-aborted.js'
import type { Connections } from '../http/agents.js'
import type { OperationCounters } from '../operation-counters.js'
import type { Operation } from '../replica-client.js'
import type { RequestPolicy } from '../request-policy.js'
import { deadline, retrying } from '../retry.js'
import { s3Error } from './errors.js'
import type { ResolvedS3Settings } from './provider.js'
import { renewIfRefused } from './sdk.js'

/** The verb, object and kind of a request, for counters and messages. */
export interface Subject {
  readonly operation: Operation
  /** A verb such as "reading" or "writing". */
  readonly doing: string
  /** The URL of the requested object, such as `s3://bucket/key`. */
  readonly target: string
  readonly signal?: AbortSignal | undefined
}

/** Sends one command with `client`, the SDK's client, and returns the output of the command. */
export type Send<Output> = (client: S3Client, options: { readonly abortSignal: AbortSignal }) => Promise<Output>

/**
 * Sends the requests of one client. Counts and times each request, limits the wait for the first
 * byte, and converts errors to LitestreamErrors.
 */
export class S3Requests {
  readonly client: S3Client
  readonly bucket: string
  readonly settings: ResolvedS3Settings
  readonly policy: RequestPolicy
  readonly counters: OperationCounters
  readonly #connections: Connections
  readonly #closing = new AbortController()

  constructor(
    client: S3Client,
    bucket: string,
    settings: ResolvedS3Settings,
    policy: RequestPolicy,
    counters: OperationCounters,
    connections: Connections,
  ) {
    this.client = client
    this.bucket = bucket
    this.settings = settings
    this.policy = policy
    this.counters = counters
    this.#connections = connections
  }

  /** Returns the URL `s3://bucket/key` of a key, for messages. */
  target(key: string): string {
    return `${this.settings.dialect}://${this.bucket}/${key}`
  }

  /** Address of the server for messages, without credentials. */
  get endpoint(): string {
    const { endpoint, region } = this.settings
    const { proxy } = this.#connections
    const server =
      endpoint === undefined ? `of AWS${region === undefined ? '' : ` in ${region}`}` : new URL(endpoint).origin
    return proxy === undefined ? server : `${server}, through the proxy ${proxy.shown}`
  }

  /**
   * Parameters that every request about an object needs if objects are encrypted with a customer
   * key.
   */
  get customerKey(): { SSECustomerAlgorithm?: string; SSECustomerKey?: string; SSECustomerKeyMD5?: string } {
    const { sseCustomer } = this.settings
    if (sseCustomer === undefined) return {}
    return {
      SSECustomerAlgorithm: 'AES256',
      SSECustomerKey: sseCustomer.key.reveal(),
      SSECustomerKeyMD5: sseCustomer.md5,
    }
  }

  /**
   * Makes one attempt to send a request. `firstByte` is the time in milliseconds in which the store
   * must begin to respond.
   */
  once<Output>(subject: Subject, send: Send<Output>, firstByte = this.policy.firstByteTimeout): Promise<Output> {
    const { operation, doing, target, signal } = subject
    throwIfAborted(signal, `${doing} ${target}`)
    return this.counters.track(operation, async () => {
      const limit = deadline(firstByte, signal, this.#closing.signal)
      try {
        // Some waits inside the SDK ignore the AbortSignal. The SDK, for example, waits for
        // credentials from another process, or from a server that never responds.
        return await orAborted(send(this.client, { abortSignal: limit.signal }), limit.signal)
      } catch (error) {
        if (limit.passed()) throw noAnswer(subject, this.endpoint, firstByte)
        renewIfRefused(error, this.client, this.settings)
        throw this.typed(error, subject)
      } finally {
        limit.settle()
      }
    })
  }

  /** Aborts all running requests and downloads with ABORTED, and refuses new ones. */
  close(): void {
    this.#closing.abort(
      new LitestreamError('ABORTED', `the client of ${this.settings.dialect}://${this.bucket} was closed`),
    )
    this.client.destroy()
    this.#connections.agent.destroy()
  }

  /** Aborts when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /**
   * Repeats a request until an attempt succeeds, an attempt fails permanently, or the policy allows
   * no more attempts.
   */
  retried<Output>(subject: Subject, send: (before: number) => Send<Output>, firstByte?: number): Promise<Output> {
    return retrying((before) => this.once(subject, send(before), firstByte), {
      policy: this.policy,
      what: `${subject.doing} ${subject.target}`,
      signal: subject.signal,
      closing: this.#closing.signal,
      counters: this.counters,
      operation: subject.operation,
    })
  }

  typed(error: unknown, { doing, target, signal }: Subject): LitestreamError {
    if (signal?.aborted) return abortError(signal, `${doing} ${target}`)
    return this.#closing.signal.aborted
      ? this.#closing.signal.reason
      : s3Error(error, { doing, target, endpoint: this.endpoint, connections: this.#connections })
  }
}

function noAnswer({ doing, target }: Subject, endpoint: string, milliseconds: number): LitestreamError {
  const waited = `no answer within ${Math.round(milliseconds)} ms`
  return new LitestreamError('TIMEOUT', `${doing} ${target} failed: ${waited} (endpoint ${endpoint})`, {
    file: target,
    hint: 'Check the endpoint and the network. The store may be overloaded, or a firewall may drop the requests.',
  })
}
