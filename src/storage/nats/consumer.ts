import type { ConsumerConfig } from '@nats-io/jetstream'
import type { Msg, Subscription } from '@nats-io/transport-node'
import { LitestreamError } from '../../errors.js'
import { onAbort } from '../../util/abort.js'
import { elapsedMs } from '../../util/elapsed.js'
import { startInterval } from '../../util/timers.js'
import { MS_PER_BYTE } from '../body-reader.js'
import { AckPolicy, createInbox, DeliverPolicy, nanos } from './library.js'
import { ReadingEnd } from './reading-end.js'
import type { NatsSession, Request } from './session.js'

/** A message of the stream as a NATS consumer delivers it. */
export interface StreamMessage {
  readonly seq: number
  readonly subject: string
  /**
   * Time at which the server stored the message, in milliseconds since the epoch by the server's
   * clock.
   */
  readonly storedAt: number
  readonly data: Uint8Array
  /**
   * Size of the message body in bytes. The size is set even if the consumer delivers headers
   * without bodies.
   */
  readonly size: number
}

/**
 * The messages that a consumer delivers. `latest-of-each` means the latest message of each subject.
 * `new` means the messages that are stored after the consumer was created. `sequence` means all
 * messages from the sequence `sequence` on.
 */
export type ConsumerStart = 'latest-of-each' | 'new' | { readonly sequence: number }

export interface ConsumerOptions {
  readonly filter: string
  readonly start: ConsumerStart
  readonly headersOnly?: boolean
}

export interface ReadOptions extends ConsumerOptions {
  /**
   * The sequence number of the stream's last message when reading begins. The reader does not wait
   * for messages after the sequence number `upTo`. Without `upTo`, a read might never end while
   * other clients write.
   */
  readonly upTo?: number
  /**
   * Maximum number of messages that the consumer may deliver. If the consumer delivers more than
   * `limit` messages, the read fails.
   */
  readonly limit?: number
}

export interface Messages {
  /**
   * The delivered messages in the order of their sequence numbers. The final messages may have
   * sequence numbers after `upTo`.
   */
  readonly messages: readonly StreamMessage[]
  /**
   * Whether the result includes every message that was in the stream when reading began
   * (ReadingEnd).
   */
  readonly complete: boolean
}

/** Interval in milliseconds at which the server sends heartbeats for an idle consumer. */
export const HEARTBEAT = 1_000

/** Milliseconds after which the server deletes a consumer that no client listens to. */
const INACTIVE = 10_000

/**
 * Additional milliseconds per message that a delivery may take, beyond the budget of the request
 * policy. For each byte of a message body, a delivery may take MS_PER_BYTE more milliseconds. A
 * delivery that takes longer than these allowances fails.
 */
const MS_PER_MESSAGE = 100

const HEARTBEAT_STATUS = 100

/**
 * Returns the configuration of a temporary consumer. The server keeps the consumer in memory while
 * a client listens. The client does not acknowledge the messages of the consumer.
 */
export function consumerConfig(
  { filter, start, headersOnly }: ConsumerOptions,
  inbox: string,
): Partial<ConsumerConfig> {
  return {
    deliver_subject: inbox,
    filter_subject: filter,
    ack_policy: AckPolicy.None,
    max_deliver: 1,
    mem_storage: true,
    num_replicas: 1,
    flow_control: true,
    idle_heartbeat: nanos(HEARTBEAT),
    inactive_threshold: nanos(INACTIVE),
    ...(headersOnly ? { headers_only: true } : {}),
    ...(typeof start === 'object'
      ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: start.sequence }
      : { deliver_policy: start === 'new' ? DeliverPolicy.New : DeliverPolicy.LastPerSubject }),
  }
}

/**
 * Reads all messages of the stream that currently match the filter. The read counts as one request.
 * Throws UNAVAILABLE if the delivery has a gap or stops, so that the caller retries the whole read.
 * Throws TIMEOUT if the budget of the policy has passed and the delivery was slower than 1 KiB/s.
 */
export function readMessages(
  session: NatsSession,
  request: Request,
  { upTo = Number.POSITIVE_INFINITY, limit = Number.POSITIVE_INFINITY, ...options }: ReadOptions,
): Promise<Messages> {
  return session.request(request, async () => {
    const messages: StreamMessage[] = []
    const end = new ReadingEnd(upTo)
    const inbox = createInbox()
    let finish: (error?: Error) => void = () => {}
    const finished = new Promise<void>((resolve, reject) => {
      finish = (error) => (error === undefined ? resolve() : reject(error))
    })
    // `finished` may reject before the next statements await it.
    finished.catch(() => undefined)
    const began = elapsedMs()
    let lastSign = began
    let time = session.policy.budget
    const subscription = session.connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) return finish(error)
        lastSign = elapsedMs()
        const delivery = parseDelivery(message)
        if (delivery === undefined) end.alive(answerStatus(message))
        else {
          if (delivery.index !== messages.length + 1) return finish(broken(session))
          if (messages.length >= limit) return finish(tooMany(session, limit))
          messages.push(delivery.message)
          time += MS_PER_MESSAGE + delivery.message.data.byteLength * MS_PER_BYTE
          end.delivered(delivery.message.seq, delivery.pending)
        }
        if (end.isReached) finish()
      },
    })
    const watchdog = startInterval(HEARTBEAT, () => {
      if (elapsedMs() - lastSign > session.timeout) finish(broken(session))
      if (elapsedMs() - began > time) finish(tooSlow(session, time, messages.length))
    })
    const close = () => finish(broken(session))
    const forgets = [onAbort(session.closing, close), onAbort(request.signal, close)]
    try {
      const { num_pending } = await session.jsm.consumers.add(session.stream, consumerConfig(options, inbox))
      end.started(num_pending)
      if (!end.isReached) await finished
      let bytes = 0
      for (const { data } of messages) bytes += data.byteLength
      session.counters.bytes(request.operation, bytes)
      return { messages, complete: end.isComplete }
    } finally {
      watchdog.stop()
      for (const forget of forgets) forget()
      unsubscribe(subscription)
    }
  })
}

function unsubscribe(subscription: Subscription): void {
  if (!subscription.isClosed()) subscription.unsubscribe()
}

function tooSlow(session: NatsSession, ms: number, count: number): LitestreamError {
  return new LitestreamError(
    'TIMEOUT',
    `${session.label()}: only ${count} messages came in ${Math.round(ms / 1000)} s`,
    {
      file: session.label(),
      hint: 'Check the network between this machine and the NATS server, and check that the server is not overloaded.',
    },
  )
}

function tooMany(session: NatsSession, limit: number): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `${session.label()} has more than the expected ${limit} messages`, {
    file: session.label(),
    hint: 'Run `litestream-ts verify` on the replica; another program may write to the bucket of the replica.',
  })
}

function broken(session: NatsSession): LitestreamError {
  return new LitestreamError('UNAVAILABLE', `the delivery of messages from ${session.label()} was interrupted`)
}

export interface Delivery {
  readonly message: StreamMessage
  /** Position of this message among the consumer's messages, counted from 1. */
  readonly index: number
  /** Number of messages that the server still has to deliver to the consumer. */
  readonly pending: number
}

/** Parses a delivered message. Returns undefined for a status message about the consumer. */
export function parseDelivery(message: Msg): Delivery | undefined {
  const { headers, reply } = message
  if ((headers !== undefined && headers.code !== 0) || reply === undefined) return undefined
  const fields = numbersOf(reply)
  if (fields === undefined) return undefined
  const [seq, index, time, pending] = fields
  const { subject, data } = message
  const size = headers === undefined ? data.byteLength : Number(headers.get('Nats-Msg-Size') || data.byteLength)
  return { message: { seq, subject, storedAt: time / 1e6, data, size }, index, pending }
}

const DOT = 46
const ZERO = 48

/**
 * Returns the four numbers near the end of an acknowledgement subject. The four numbers are the
 * message's sequence in the stream, the index of its delivery, its time in nanoseconds and the
 * number of pending messages. The subject begins with `$JS.ACK.<stream>.<consumer>.<deliveries>`. A
 * server with domains inserts the domain and the account hash after ACK, and may append a token.
 * numbersOf() parses digit by digit for speed, because each chunk of 900 bytes has such a subject.
 */
function numbersOf(reply: string): [seq: number, index: number, time: number, pending: number] | undefined {
  let tokens = 1
  for (let i = 0; i < reply.length; i++) if (reply.charCodeAt(i) === DOT) tokens++
  const first = tokens === 9 ? 5 : 7
  if (tokens < first + 4) return undefined
  const numbers: [number, number, number, number] = [0, 0, 0, 0]
  let token = 0
  for (let i = 0; i < reply.length && token < first + 4; i++) {
    const digit = reply.charCodeAt(i) - ZERO
    if (digit === DOT - ZERO) token++
    else if (token < first) continue
    else if (digit < 0 || digit > 9) return undefined
    else numbers[token - first] = numbers[token - first]! * 10 + digit
  }
  return numbers
}

/**
 * Answers a flow control message or a heartbeat of the server. Returns how many messages the server
 * has sent to the consumer, or undefined if the status message does not contain this number.
 */
export function answerStatus(message: Msg): number | undefined {
  if (message.headers?.code !== HEARTBEAT_STATUS) return undefined
  if (message.reply) {
    message.respond()
    return undefined
  }
  const stalled = message.headers.get('Nats-Consumer-Stalled')
  if (stalled !== '') return undefined
  const sent = message.headers.get('Nats-Last-Consumer')
  return sent === '' ? undefined : Number(sent)
}
