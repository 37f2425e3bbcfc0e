import type { S3Client } from '@aws-sdk/client-s3'
import { LitestreamError } from '../../errors.js'
import { abortError, throwIfAborted } from '../../util/abort.js'
import type { OperationCounters } from '../operation-counters.js'
import type { Operation } from '../replica-client.js'
import type { RequestPolicy } from '../request-policy.js'
import { deadline, retrying } from '../retry.js'
import { s3Error } from './errors.js'
import type { ResolvedS3Settings } from './provider.js'

/** What a request is about, for counters and messages. */
export interface Subject {
  readonly operation: Operation
  /** "reading", "writing" … */
  readonly doing: string
  /** `s3://bucket/key`. */
  readonly target: string
  readonly signal?: AbortSignal | undefined
}

/** The part of the SDK's `send` that is used here: a command in, its output out. */
export type Send<Output> = (client: S3Client, options: { readonly abortSignal: AbortSignal }) => Promise<Output>

/** Sends requests: counts and times each, bounds the wait for the first byte, types what went wrong. */
export class S3Requests {
  readonly client: S3Client
  readonly bucket: string
  readonly settings: ResolvedS3Settings
  readonly policy: RequestPolicy
  readonly counters: OperationCounters

  constructor(
    client: S3Client,
    bucket: string,
    settings: ResolvedS3Settings,
    policy: RequestPolicy,
    counters: OperationCounters,
  ) {
    this.client = client
    this.bucket = bucket
    this.settings = settings
    this.policy = policy
    this.counters = counters
  }

  /** `s3://bucket/key`, for messages. */
  target(key: string): string {
    return `s3://${this.bucket}/${key}`
  }

  /** What every request about an object has to carry that was, or shall be, encrypted with a key of the customer's. */
  get customerKey(): { SSECustomerAlgorithm?: string; SSECustomerKey?: string; SSECustomerKeyMD5?: string } {
    const { sseCustomer } = this.settings
    if (sseCustomer === undefined) return {}
    return {
      SSECustomerAlgorithm: 'AES256',
      SSECustomerKey: sseCustomer.key.reveal(),
      SSECustomerKeyMD5: sseCustomer.md5,
    }
  }

  /** One attempt. `firstByte`: milliseconds until the store must have begun to answer. */
  once<Output>(subject: Subject, send: Send<Output>, firstByte = this.policy.firstByteTimeout): Promise<Output> {
    const { operation, doing, target, signal } = subject
    throwIfAborted(signal, `${doing} ${target}`)
    return this.counters.track(operation, async () => {
      const limit = deadline(signal, firstByte)
      try {
        return await send(this.client, { abortSignal: limit.signal })
      } catch (error) {
        if (limit.passed() && !signal?.aborted) throw noAnswer(subject, firstByte)
        throw this.typed(error, subject)
      } finally {
        limit.settle()
      }
    })
  }

  /** Attempts until one succeeds, fails for good, or the policy is used up. */
  retried<Output>(subject: Subject, send: (before: number) => Send<Output>, firstByte?: number): Promise<Output> {
    return retrying((before) => this.once(subject, send(before), firstByte), {
      policy: this.policy,
      what: `${subject.doing} ${subject.target}`,
      signal: subject.signal,
      onRetry: () => this.counters.retry(subject.operation),
    })
  }

  typed(error: unknown, { doing, target, signal }: Subject): LitestreamError {
    return signal?.aborted ? abortError(signal, `${doing} ${target}`) : s3Error(error, doing, target)
  }
}

function noAnswer({ doing, target }: Subject, milliseconds: number): LitestreamError {
  return new LitestreamError('TIMEOUT', `${doing} ${target} failed: no answer within ${Math.round(milliseconds)} ms`, {
    file: target,
    hint: 'The store is overloaded, or something on the way swallows requests; check the endpoint.',
  })
}
