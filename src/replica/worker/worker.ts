// The replica worker is a thread. Each process has one replica worker. The replica worker lists
// files, stores the positions of pages and fetches pages. The code in worker-host.ts starts the
// replica worker.
import './prefer-addon.js'
import { BroadcastChannel, parentPort } from 'node:worker_threads'
import { LitestreamError, serializeError } from '../../errors.js'
import { native } from '../../native/addon.js'
import type { BridgeRequest } from '../../native/replica.js'
import { shareConnections } from '../../storage/http/connection-sharing.js'
import { Doubling } from '../../util/back-off.js'
import { pause } from '../../util/pause.js'
import { CHANNEL, type HandleCall, type WorkerMessage, type WorkerWarning } from '../messages.js'
import { resolveOptions } from '../options.js'
import { failRequest } from './fail-request.js'
import { ReplicaSession, type SessionEvent } from './replica-session.js'

/**
 * Intervals in milliseconds between attempts to open a replica that an earlier worker left open.
 */
const ADOPT_FIRST_MS = 500
const ADOPT_MOST_MS = 10_000

const channel = new BroadcastChannel(CHANNEL)
channel.unref()
const sessions = new Map<number, ReplicaSession>()
const closing = new Set<Promise<void>>()

function post(message: WorkerMessage): void {
  channel.postMessage(message)
}

/**
 * The function that logs the events of replicas, or undefined if the environment configures no log.
 */
let log: ((url: string, event: SessionEvent) => void) | undefined

/** Opens the log if environment variables configure a log. Throws if the log cannot be opened. */
async function openLog(): Promise<void> {
  const { LITESTREAM_LOG_LEVEL: level, LITESTREAM_LOG_FILE: file } = process.env
  if (log !== undefined || !(level || file)) return
  const { logSessionEvent, sessionLog } = await import('./session-log.js')
  const logger = sessionLog(process.env)
  log ??= (url, event) => logSessionEvent(logger, url, event)
}

async function openSession(replica: number, key: string): Promise<ReplicaSession> {
  let session = sessions.get(replica)
  if (!session) {
    // The options are checked first. A URI with `immutable` has no replica, and the error about
    // `immutable` must be reported.
    const options = resolveOptions(key)
    await openLog()
    // Another replica that is being closed may still use the local copy of this replica.
    if (closing.size > 0) await Promise.all(closing)
    session = sessions.get(replica)
    // The program may have closed the replica during the preceding waits. A ReplicaSession that is
    // opened for a closed replica would never be closed.
    if (!native.replicaInfo(replica)) throw new LitestreamError('REPLICA_CLOSED', 'the replica was closed')
    if (!session) {
      session = new ReplicaSession(replica, options, (event) => {
        log?.(options.url, event)
        post({ from: 'worker', replica, event })
      })
      sessions.set(replica, session)
    }
  }
  await session.open()
  return session
}

async function onOpen(request: BridgeRequest): Promise<void> {
  try {
    await openSession(request.replica, request.text)
    native.completeRequest(request.id)
  } catch (error) {
    const { code, message } = serializeError(error)
    failRequest(request.id, error)
    // For an ATTACH, the driver can only report "unable to open database", so the worker also emits
    // the reason as a warning.
    parentPort?.postMessage({ code, message } satisfies WorkerWarning)
  }
}

async function onCall(request: BridgeRequest): Promise<void> {
  const separator = request.text.indexOf('\n')
  const message = JSON.parse(request.text.slice(0, separator)) as HandleCall
  native.completeRequest(request.id)
  try {
    if (message.method === 'open' && message.sharesConnections) shareConnections()
    const session = await openSession(request.replica, request.text.slice(separator + 1))
    post({ from: 'worker', call: message.call, result: await run(session, message) })
  } catch (error) {
    post({ from: 'worker', call: message.call, error: serializeError(error) })
  }
}

async function run(session: ReplicaSession, message: HandleCall): Promise<unknown> {
  switch (message.method) {
    case 'open':
      return { hydrated: session.hydrated }
    case 'refresh':
      return session.refresh()
    case 'flush':
      return session.flush()
    case 'stats':
      return session.stats()
    case 'resolve':
      return session.resolveTarget(message.target)
  }
}

async function onClose(request: BridgeRequest): Promise<void> {
  const session = sessions.get(request.replica)
  sessions.delete(request.replica)
  const closed = session?.close().finally(() => closing.delete(ended)) ?? Promise.resolve()
  const ended = closed.catch(() => undefined)
  if (session) closing.add(ended)
  try {
    await closed
  } catch (error) {
    post({ from: 'worker', replica: request.replica, event: { type: 'error', error: serializeError(error) } })
  } finally {
    native.completeRequest(request.id)
    if (session) log?.(session.url, { type: 'closed' })
    post({ from: 'worker', replica: request.replica, event: { type: 'closed' } })
  }
}

function refuse(request: BridgeRequest): (error: unknown) => void {
  return (error) => failRequest(request.id, error)
}

function notOpen(): LitestreamError {
  return new LitestreamError('REPLICA_CLOSED', 'the replica is not open')
}

function onRequests(): void {
  const pages = new Map<number, BridgeRequest[]>()
  const kinds = native.constants.request
  for (const request of native.takeRequests()) {
    const session = sessions.get(request.replica)
    switch (request.kind) {
      case kinds.page: {
        const batch = pages.get(request.replica)
        if (batch) batch.push(request)
        else pages.set(request.replica, [request])
        break
      }
      case kinds.open:
        void onOpen(request)
        break
      case kinds.ahead:
        if (session) session.onAhead(request)
        else native.completeRequest(request.id)
        break
      case kinds.call:
        void onCall(request)
        break
      case kinds.close:
        void onClose(request)
        break
      case kinds.begin:
      case kinds.commit:
      case kinds.flush:
        if (session) void session.open().then(() => session.onWrite(request), refuse(request))
        else failRequest(request.id, notOpen())
        break
      case kinds.travel:
        if (session) void session.open().then(() => session.onTravel(request), refuse(request))
        else failRequest(request.id, notOpen())
        break
    }
  }
  for (const [replica, batch] of pages) {
    const session = sessions.get(replica)
    if (session) void onPages(session, batch)
    else for (const { id } of batch) failRequest(id, notOpen())
  }
}

/**
 * Handles page requests. If this worker is taking over the replica from an earlier worker, page
 * requests wait until the replica is open.
 */
async function onPages(session: ReplicaSession, batch: readonly BridgeRequest[]): Promise<void> {
  if (session.opened) return session.onPages(batch)
  try {
    await session.open()
    session.onPages(batch)
  } catch (error) {
    for (const { id } of batch) failRequest(id, error)
  }
}

/**
 * Opens a replica that an earlier worker left open. The readers of the replica have the last view
 * of the earlier worker and wait for a new view. `adoptOrphan` retries until the replica is open or
 * closed, because a reader whose pages are all resident never makes a request.
 */
async function adoptOrphan(id: number, key: string): Promise<void> {
  const pauses = new Doubling(ADOPT_FIRST_MS, ADOPT_MOST_MS)
  while (native.replicaInfo(id)) {
    try {
      await openSession(id, key)
      return
    } catch (error) {
      const { code, message } = serializeError(error)
      post({ from: 'worker', replica: id, event: { type: 'error', error: serializeError(error) } })
      sessions.get(id)?.failedToOpen(code, message)
    }
    await pause(pauses.next())
  }
}

function adoptOrphans(): void {
  for (const { id, key, orphaned } of native.allReplicas()) if (orphaned) void adoptOrphan(id, key)
}

if (!native.attachWorker(onRequests)) {
  throw new LitestreamError('WORKER_EXITED', 'another replica worker serves this process already')
}
adoptOrphans()
