import { isLitestreamError, LitestreamError } from '../../errors.js'
import { abortError, throwIfAborted } from '../../util/abort.js'
import { orAborted } from '../../util/or-aborted.js'
import type { OperationCounters } from '../operation-counters.js'
import type { Operation } from '../replica-client.js'
import type { RequestPolicy } from '../request-policy.js'
import { deadline, retrying } from '../retry.js'
import type { Attempted } from './object-store.js'

/** The verb, object and kind of a request, for counters and messages. */
export interface Subject extends Attempted {
  readonly operation: Operation
  readonly signal?: AbortSignal | undefined
}

/** Sends one request. The request ends when `signal` aborts. */
export type Send<Output> = (signal: AbortSignal) => Promise<Output>

export interface RequestsOptions {
  /** URL of the replica, for messages. */
  readonly url: string
  readonly policy: RequestPolicy
  readonly counters: OperationCounters
  readonly toError: (error: unknown, attempted: Attempted) => LitestreamError
}

/**
 * Milliseconds per byte of a request body that a store may take to respond. The value allows a
 * transfer rate of 1 MiB/s.
 */
const MS_PER_BYTE = 1000 / 2 ** 20

/**
 * Sends the requests of one client. Counts and times each request, limits the wait for the first
 * byte, retries a failed request, and converts errors to LitestreamErrors.
 */
export class Requests {
  readonly policy: RequestPolicy
  readonly counters: OperationCounters
  readonly #url: string
  readonly #toError: RequestsOptions['toError']
  readonly #closing = new AbortController()

  constructor({ url, policy, counters, toError }: RequestsOptions) {
    this.policy = policy
    this.counters = counters
    this.#url = url
    this.#toError = toError
  }

  /** Aborts when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /**
   * Returns the milliseconds in which the store must begin to respond to a request that sends
   * `bytes` bytes.
   */
  firstByte(bytes = 0): number {
    return this.policy.firstByteTimeout + bytes * MS_PER_BYTE
  }

  /**
   * Makes one attempt to send a request. `firstByte` is the time in milliseconds in which the store
   * must begin to respond.
   */
  once<Output>(subject: Subject, send: Send<Output>, firstByte = this.firstByte()): Promise<Output> {
    const { operation, doing, target, signal } = subject
    throwIfAborted(signal, `${doing} ${target}`)
    return this.counters.track(operation, async () => {
      const limit = deadline(firstByte, signal, this.#closing.signal)
      try {
        // Some waits inside the store's library ignore the AbortSignal. An example is the library's
        // wait for credentials from another server.
        return await orAborted(send(limit.signal), limit.signal)
      } catch (error) {
        if (limit.passed()) throw noAnswer(subject, firstByte)
        throw this.typed(error, subject)
      } finally {
        limit.settle()
      }
    })
  }

  /**
   * Repeats a request until an attempt succeeds, an attempt fails permanently, or the policy allows
   * no more attempts. The parameter `before` of `send` is the number of previous attempts.
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

  /**
   * Sends a request that creates an object, and handles lost responses. If an attempt succeeds but
   * its response is lost, the next attempt finds that the name is taken. `isOwn` then says whether
   * this request has created the existing object.
   */
  async carriedOut<Output>(
    subject: Subject,
    send: Send<Output>,
    { firstByte, isOwn }: { readonly firstByte: number; readonly isOwn: () => Promise<boolean> },
  ): Promise<Output | undefined> {
    let lost = 0
    try {
      return await this.retried(
        subject,
        (before) => {
          lost = before
          return send
        },
        firstByte,
      )
    } catch (error) {
      const taken = lost > 0 && isLitestreamError(error, 'PRECONDITION_FAILED', 'NOT_FOUND')
      // If `isOwn` fails, throws the store's refusal, for which mayHaveSucceeded() returns true.
      if (!taken || !(await isOwn().catch(() => false))) throw error
      return undefined
    }
  }

  /** Aborts all running requests and downloads with ABORTED, and refuses new ones. */
  close(): void {
    this.#closing.abort(new LitestreamError('ABORTED', `the client of ${this.#url} was closed`))
  }

  typed(error: unknown, { doing, target, signal }: Subject): LitestreamError {
    if (signal?.aborted) return abortError(signal, `${doing} ${target}`)
    if (this.#closing.signal.aborted) return this.#closing.signal.reason
    return error instanceof LitestreamError ? error : this.#toError(error, { doing, target })
  }
}

function noAnswer({ doing, target }: Subject, milliseconds: number): LitestreamError {
  return new LitestreamError('TIMEOUT', `${doing} ${target} failed: no answer within ${Math.round(milliseconds)} ms`, {
    file: target,
    hint: 'Check the endpoint, the proxy and the network. The store may be overloaded, or a firewall may drop the requests.',
  })
}
