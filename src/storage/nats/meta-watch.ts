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
 * If no heartbeat arrives for this many milliseconds, the client assumes that the server has
 * deleted the consumer.
 */
const SILENCE = 3 * HEARTBEAT

/** Milliseconds after which the client retries a failed renewal of a watch. */
const RENEW_WAIT = 1_000

/**
 * Calls `onChange` as soon as the server reports a new object that `wanted` accepts. Resolves when
 * the watch is active. Renews the watch after a lost connection, and if the server has deleted the
 * consumer (for example in a restart). Calls `onChange` after each renewal. The watch ends when
 * `signal` aborts or the session closes.
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
        // Objects may have been written after the old watch ended and before the new watch was
        // active.
        if (!ended) onChange()
      },
      () => {
        // If the server is unreachable or refuses the consumer, the watch ignores the error,
        // because the caller's own requests report it.
        renewing = false
        lastSign = elapsedMs() - SILENCE + RENEW_WAIT
      },
    )
  }

  const endReconnect = session.onReconnect(renew)
  const watchdog = startInterval(HEARTBEAT, () => {
    if (elapsedMs() - lastSign > SILENCE) renew()
  })
  // The timer of the watch does not keep the process alive. The connection of the session keeps the
  // process alive until the session is closed.
  watchdog.unref()
  const forgets: (() => void)[] = []
  const end = () => {
    ended = true
    watchdog.stop()
    endReconnect()
    if (subscription !== undefined && !subscription.isClosed()) subscription.unsubscribe()
    for (const forget of forgets) forget()
  }
  // onAbort() calls `end` immediately if a signal has aborted already.
  forgets.push(onAbort(signal, end))
  forgets.push(onAbort(session.closing, end))
  try {
    await begin()
  } catch (error) {
    end()
    throw error
  }
}
