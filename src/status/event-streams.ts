import type { IncomingMessage, ServerResponse } from 'node:http'
import { withoutSecrets } from '../util/redact.js'
import { startInterval, type Timer } from '../util/timers.js'
import { version } from '../version.js'

/** An event of a process as plain data for one line of JSON. */
export interface ProcessEvent {
  /** Name of the event, such as `sync` or `upload` (docs/metrics.md). */
  readonly event: string
  /** Path of the database (absent if the event concerns the whole process). */
  readonly path?: string
  readonly [field: string]: unknown
}

/** Interval between two heartbeat lines in milliseconds. */
export const HEARTBEAT_MS = 15_000
/** Maximum number of clients that receive events at the same time. */
const MAX_CLIENTS = 32
/**
 * Maximum number of bytes that a client may leave unread. The process disconnects a client that
 * leaves more bytes unread.
 */
const MAX_UNREAD = 1024 * 1024

interface Client {
  readonly response: ServerResponse
  /**
   * Path of the database whose events the client receives. If `path` is undefined, the client
   * receives the events of all databases and of the process.
   */
  readonly path: string | undefined
  /** Whether the client already had unread bytes at the previous heartbeat. */
  stalled: boolean
}

/**
 * The clients that receive the events of a process as lines of JSON. The process disconnects a
 * client that does not read fast enough, so that unread events do not fill the memory. A
 * disconnected client must connect again and read the status again, because it has missed events.
 */
export class EventStreams {
  readonly #clients = new Set<Client>()
  #heartbeat: Timer | undefined

  get clients(): number {
    return this.#clients.size
  }

  /** Sends an event to every client whose filter accepts it. Never throws. */
  publish(event: ProcessEvent): void {
    if (this.#clients.size === 0) return
    const line = lineOf(event)
    for (const client of this.#clients) {
      if (client.path === undefined || client.path === event.path) this.#send(client, line)
    }
  }

  /**
   * Answers a request with all later events until the client disconnects. The first line of the
   * response is a heartbeat. Returns false if MAX_CLIENTS clients are connected already.
   */
  serve(
    request: IncomingMessage,
    response: ServerResponse,
    path: string | undefined,
    headers: Readonly<Record<string, string>> = {},
  ): boolean {
    if (this.#clients.size >= MAX_CLIENTS) return false
    response.writeHead(200, { ...headers, 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' })
    if (request.method === 'HEAD') {
      response.end()
      return true
    }
    const client: Client = { response, path, stalled: false }
    this.#clients.add(client)
    response.once('close', () => this.#forget(client))
    this.#heartbeat ??= startInterval(HEARTBEAT_MS, () => this.beat()).unref()
    this.#send(client, heartbeat())
    return true
  }

  /**
   * Sends a heartbeat, and disconnects each client that has read nothing since the previous
   * heartbeat.
   */
  beat(): void {
    const line = heartbeat()
    for (const client of this.#clients) {
      const unread = client.response.writableLength > 0
      if (unread && client.stalled) client.response.destroy()
      else {
        client.stalled = unread
        this.#send(client, line)
      }
    }
  }

  #send(client: Client, line: string): void {
    const { response } = client
    response.write(line)
    if (response.writableLength > MAX_UNREAD) response.destroy()
  }

  #forget(client: Client): void {
    this.#clients.delete(client)
    if (this.#clients.size > 0) return
    this.#heartbeat?.stop()
    this.#heartbeat = undefined
  }
}

function heartbeat(): string {
  return lineOf({ event: 'heartbeat', version, pid: process.pid })
}

function lineOf(event: ProcessEvent): string {
  const masked = (_: string, value: unknown) => (typeof value === 'string' ? withoutSecrets(value) : value)
  return `${JSON.stringify({ time: new Date().toISOString(), ...event }, masked)}\n`
}
