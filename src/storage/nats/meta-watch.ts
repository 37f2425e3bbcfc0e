import type { Subscription } from '@nats-io/transport-node'
import { onAbort, throwIfAborted } from '../../util/abort.js'
import { elapsedMs } from '../../util/elapsed.js'
import { startInterval } from '../../util/timers.js'
import { answerStatus, consumerConfig, HEARTBEAT, parseDelivery } from './consumer.js'
import { createInbox } from './library.js'
import { allMetaSubjects } from './names.js'
import { isPresent, type ObjectMeta, parseMeta } from './object-meta.js'
import type { NatsSession } from './session.js'

/**
 * Milliseconds without a heartbeat after which the server is assumed to have deleted the consumer.
 */
const SILENCE = 3 * HEARTBEAT

/** Milliseconds until a failed renewal of a watch is retried. */
const RENEW_WAIT = 1_000

/**
 * Calls `onChange` when an object that `wanted` accepts was written, as soon as the server reports
 * it. Resolves when the watch is active. After a lost connection, or if the server deleted the
 * consumer (it was restarted), the watch is renewed and `onChange` is called. Ends when the signal
 * fires or the session closes.
 */
export async function watchMetas(
  session: NatsSession,
  wanted: (meta: ObjectMeta) => boolean,
  onChange: () => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  throwIfAborted(signal, `watching ${session.label()}`)
  let subscription: Subscription | undefined
  let lastSign = elapsedMs()
  let ended = false
  let renewing = false

  const begin = async () => {
    const inbox = createInbox()
    let index = 0
    subscription?.unsubscribe()
    const current = session.connection.subscribe(inbox, {
      callback: (error, message) => {
        if (ended || current !== subscription) return
        if (error !== null) return renew()
        lastSign = elapsedMs()
        const delivery = parseDelivery(message)
        if (delivery === undefined) {
          const sent = answerStatus(message)
          if (sent !== undefined && sent !== index) renew()
          return
        }
        index += 1
        if (delivery.index !== index) return renew()
        const meta = parseMeta(delivery.message.data)
        if (meta !== undefined && isPresent(meta) && wanted(meta)) onChange()
      },
    })
    subscription = current
    const options = { filter: allMetaSubjects(session.bucket), start: 'new' } as const
    await session.request({ operation: 'LIST', doing: 'watching', signal }, () =>
      session.jsm.consumers.add(session.stream, consumerConfig(options, inbox)),
    )
    lastSign = elapsedMs()
  }

  const renew = () => {
    if (ended || renewing) return
    renewing = true
    begin().then(
      () => {
        renewing = false
        // Changes between the old watch and this one may have been missed.
        if (!ended) onChange()
      },
      () => {
        // The server is unreachable or refuses: the caller's own requests report that.
        renewing = false
        lastSign = elapsedMs() - SILENCE + RENEW_WAIT
      },
    )
  }

  const endReconnect = session.onReconnect(renew)
  const watchdog = startInterval(HEARTBEAT, () => {
    if (elapsedMs() - lastSign > SILENCE) renew()
  })
  // A watch alone does not keep the process alive; its connection does until it is closed.
  watchdog.unref()
  const forgets: (() => void)[] = []
  const end = () => {
    ended = true
    watchdog.stop()
    endReconnect()
    if (subscription !== undefined && !subscription.isClosed()) subscription.unsubscribe()
    for (const forget of forgets) forget()
  }
  // Both may have aborted already: then they call `end` here.
  forgets.push(onAbort(signal, end))
  forgets.push(onAbort(session.closing, end))
  try {
    await begin()
  } catch (error) {
    end()
    throw error
  }
}
