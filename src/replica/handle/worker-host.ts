import { BroadcastChannel, SHARE_ENV, Worker } from 'node:worker_threads'
import { deserializeError, LitestreamError, serializeError } from '../../errors.js'
import { addonPath, native } from '../../native/addon.js'
import { threadUrl } from '../../thread-url.js'
import { monotonicMs } from '../../util/monotonic.js'
import { startInterval } from '../../util/timers.js'
import { CHANNEL, type HandleCall, type WorkerMessage, type WorkerWarning } from '../messages.js'
import type { ReplicaWorkerData } from '../worker/prefer-addon.js'
import type { SessionEvent } from '../worker/replica-session.js'

const YOUNG_GENERATION_MB = 4
/**
 * Interval in milliseconds at which each thread checks that the replica worker still exists. Each
 * thread checks, because another thread may have started the replica worker.
 */
const KEEPER_MS = 500

type EventListener = (event: SessionEvent) => void

interface PendingCall {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: LitestreamError) => void
  /** The value of native.workerEpoch() when the call was sent. */
  readonly epoch: number
}

const listeners = new Map<number, Set<EventListener>>()
const calls = new Map<string, PendingCall>()
let channel: BroadcastChannel | undefined
let nextCall = 1
const callPrefix = `${process.pid}-${Math.random().toString(36).slice(2)}`

/**
 * Makes sure that the process has a replica worker. The first thread that needs the worker starts
 * the worker. If the worker exits while replicas are open, the first thread that notices the exit
 * starts another worker. The worker never keeps the process alive.
 */
export function ensureWorker(): void {
  const ticket = native.expectWorker()
  // The worker thread is spawned first, so that it starts while this thread continues.
  if (ticket !== 0) spawn(ticket)
  connect()
}

function spawn(ticket: number): void {
  const worker = new Worker(threadUrl('replica/worker/worker.js'), {
    name: 'litestream-replica',
    execArgv: [],
    workerData: { addon: addonPath() } satisfies ReplicaWorkerData,
    // The worker mostly allocates response bytes, which are outside the V8 heap, so a large young
    // generation would only waste memory.
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    // The worker must see credentials that the application sets after the worker was started.
    env: SHARE_ENV,
  })
  worker.on('message', ({ code, message }: WorkerWarning) => {
    process.emitWarning(message, { code, type: 'LitestreamWarning' })
  })
  worker.unref()
  const startedAt = monotonicMs()
  let reason: Error | undefined
  worker.on('error', (error) => {
    reason = error
  })
  worker.on('exit', () => {
    native.unexpectWorker(ticket)
    failLostCalls(reason)
    if (native.openReplicas() === 0) return
    reportExit(reason)
    // If a worker fails during its start, the interval timer of this thread restarts the worker, at
    // most twice per second.
    if (monotonicMs() - startedAt > KEEPER_MS) ensureWorker()
  })
}

function connect(): void {
  if (channel) return
  channel = new BroadcastChannel(CHANNEL)
  channel.onmessage = (event) => onMessage((event as MessageEvent).data as WorkerMessage)
  channel.unref()
  startInterval(KEEPER_MS, () => {
    failLostCalls()
    if (native.openReplicas() > 0 && !native.workerAlive()) ensureWorker()
  }).unref()
}

function onMessage(message: WorkerMessage): void {
  if (message.from !== 'worker') return
  if ('event' in message) {
    for (const listener of listeners.get(message.replica) ?? []) listener(message.event)
    return
  }
  const call = calls.get(message.call)
  if (!call) return
  settle(message.call)
  if (message.error) call.reject(deserializeError(message.error))
  else call.resolve(message.result)
}

function settle(id: string): void {
  calls.delete(id)
  // The channel keeps the process alive only while calls are pending.
  if (calls.size === 0) channel?.unref()
}

/**
 * Reports the worker's exit to every open replica of this thread. The next worker takes over the
 * open replicas.
 */
function reportExit(cause?: Error): void {
  const error = serializeError(new LitestreamError('WORKER_EXITED', exitMessage(cause)))
  const event: SessionEvent = { type: 'error', error }
  for (const each of listeners.values()) for (const listener of each) listener(event)
}

function exitMessage(cause: Error | undefined): string {
  return cause ? `the replica worker failed: ${cause.message}` : 'the replica worker exited'
}

/**
 * Rejects the calls that the exited worker had received. Calls that are made after the exit wait
 * for the next worker.
 */
function failLostCalls(cause?: Error): void {
  const epoch = native.workerEpoch()
  for (const [id, call] of [...calls]) {
    if (call.epoch === epoch) continue
    settle(id)
    call.reject(
      new LitestreamError('WORKER_EXITED', exitMessage(cause), {
        cause,
        hint: 'Repeat the call: the replica worker is restarted automatically.',
      }),
    )
  }
}

type Unsent<T> = T extends unknown ? Omit<T, 'call'> : never

/** Sends a call about a replica to the worker, and resolves with the worker's answer. */
export function callWorker(replica: number, key: string, message: Unsent<HandleCall>): Promise<unknown> {
  ensureWorker()
  const call = `${callPrefix}-${nextCall++}`
  return new Promise((resolve, reject) => {
    calls.set(call, { resolve, reject, epoch: native.workerEpoch() })
    channel?.ref()
    native.tellWorker(native.constants.request.call, replica, `${JSON.stringify({ ...message, call })}\n${key}`)
  })
}

/** Calls `listener` for each event of a replica. Returns a function that removes `listener`. */
export function onSessionEvent(replica: number, listener: EventListener): () => void {
  connect()
  let set = listeners.get(replica)
  if (!set) {
    set = new Set()
    listeners.set(replica, set)
  }
  set.add(listener)
  return () => {
    set.delete(listener)
    if (set.size === 0) listeners.delete(replica)
  }
}
