import type { ConsumerConfig } from '@nats-io/jetstream'
import type { Msg, Subscription } from '@nats-io/transport-node'
import { LitestreamError } from '../../errors.js'
import { onAbort } from '../../util/abort.js'
import { startInterval } from '../../util/timers.js'
import { MS_PER_BYTE } from '../body-reader.js'
import { AckPolicy, createInbox, DeliverPolicy, nanos } from './library.js'
import { ReadingEnd } from './reading-end.js'
import type { NatsSession, Request } from './session.js'

/** A message of the stream, as a consumer delivers it. */
export interface StreamMessage {
  readonly seq: number
  readonly subject: string
  /** Milliseconds since the epoch, by the server's clock. */
  readonly storedAt: number
  readonly data: Uint8Array
  /** Bytes of its body: also of one that came without. */
  readonly size: number
}

/** What to deliver: the latest message of each subject, or all from a sequence on, without or with those stored later. */
export type ConsumerStart = 'latest-of-each' | 'new' | { readonly sequence: number }

export interface ConsumerOptions {
  readonly filter: string
  readonly start: ConsumerStart
  readonly headersOnly?: boolean
}

export interface ReadOptions extends ConsumerOptions {
  /**
   * The stream's last sequence when reading begins, where others may write meanwhile: what is stored behind it is not waited for. To
   * read until nothing is left never ends beside somebody who writes as fast as we read.
   */
  readonly upTo?: number
  /** More messages than this are an error. */
  readonly limit?: number
}

export interface Messages {
  /** In the order of their sequences; the last may be behind `upTo`. */
  readonly messages: readonly StreamMessage[]
  /** Whether every message that was there at the beginning is among them; see ReadingEnd. */
  readonly complete: boolean
}

/** Milliseconds between signs of life of an idle consumer. */
export const HEARTBEAT = 1_000

/** Milliseconds after which the server forgets a consumer whose client went away. */
const INACTIVE = 10_000

/** Milliseconds that each message of a delivery may take beside the budget, and each byte of its body; as slow as that is no progress. */
const MS_PER_MESSAGE = 100

const HEARTBEAT_STATUS = 100

/** The configuration of a consumer that lives as long as somebody listens: in memory, never acknowledged. */
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
 * All messages that match, as they are at this moment: one request, however many come. Throws UNAVAILABLE, to be tried again as a
 * whole, when the delivery has a hole or ceases, and TIMEOUT when it is slower than 1 KiB/s after the policy's budget.
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
    // It may fail before it is waited for.
    finished.catch(() => undefined)
    const began = performance.now()
    let lastSign = began
    let time = session.policy.budget
    const subscription = session.connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) return finish(error)
        lastSign = performance.now()
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
      if (performance.now() - lastSign > session.timeout) finish(broken(session))
      if (performance.now() - began > time) finish(tooSlow(session, time, messages.length))
    })
    const close = () => finish(broken(session))
    const forgets = [onAbort(session.closing, close), onAbort(request.signal, close)]
    try {
      const { num_pending } = await session.jsm.consumers.add(session.stream, consumerConfig(options, inbox))
      end.begun(num_pending)
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
  return new LitestreamError('TIMEOUT', `${session.label()}: ${count} messages came in ${Math.round(ms / 1000)} s`, {
    file: session.label(),
    hint: 'Check the network between this machine and the NATS server, and that the server is not overloaded.',
  })
}

function tooMany(session: NatsSession, limit: number): LitestreamError {
  return new LitestreamError(
    'STORAGE_FAILED',
    `${session.label()} has more than the ${limit} messages that were to come`,
    {
      file: session.label(),
      hint: 'Verify the replica with `litestream-ts verify`; another program may write to its bucket.',
    },
  )
}

function broken(session: NatsSession): LitestreamError {
  return new LitestreamError('UNAVAILABLE', `the delivery of messages from ${session.label()} was interrupted`)
}

export interface Delivery {
  readonly message: StreamMessage
  /** Counts the consumer's messages from 1. */
  readonly index: number
  /** How many are still to come. */
  readonly pending: number
}

/** Undefined for a message that is not the stream's but about the consumer. */
export function parseDelivery(message: Msg): Delivery | undefined {
  if (message.headers !== undefined && message.headers.code !== 0) return undefined
  // $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<index>.<time ns>.<pending>, with domain and account hash after ACK, and
  // perhaps a token at the end, on servers that have them.
  const tokens = message.reply?.split('.') ?? []
  const at = tokens.length === 9 ? 4 : 6
  const [, seq, index, time, pending] = tokens.slice(at).map(Number)
  if (seq === undefined || index === undefined || time === undefined || pending === undefined) return undefined
  const { subject, data } = message
  const size = Number(message.headers?.get('Nats-Msg-Size') || data.byteLength)
  return { message: { seq, subject, storedAt: time / 1e6, data, size }, index, pending }
}

/** Answers what the server wants answered (flow control). Returns how many messages it has sent, where it says so. */
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
