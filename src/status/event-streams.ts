import type { IncomingMessage, ServerResponse } from 'node:http'
import { withoutSecrets } from '../util/redact.js'
import { startInterval, type Timer } from '../util/timers.js'
import { version } from '../version.js'

/** An event of a process: plain data for one line of JSON. */
export interface ProcessEvent {
  /** `sync`, `upload`, …: see docs/metrics.md. */
  readonly event: string
  /** Path of the database; absent for an event of the process. */
  readonly path?: string
  readonly [field: string]: unknown
}

/** Interval of heartbeat lines. Milliseconds. */
export const HEARTBEAT_MS = 15_000
/** Maximum number of clients in parallel. */
const MAX_CLIENTS = 32
/** A client with more unread bytes is disconnected. */
const MAX_UNREAD = 1024 * 1024

interface Client {
  readonly response: ServerResponse
  /** Undefined: the events of every database, and of the process. */
  readonly path: string | undefined
  /** Whether bytes were unread at the last heartbeat. */
  stalled: boolean
}

/**
 * The clients that receive the events of a process as lines of JSON. A client that does not read
 * fast enough is disconnected, so that it delays and costs nothing: it reads the status again and
 * reconnects.
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
   * Answers a request with the events from now on, until the client disconnects. The first line is
   * a heartbeat. Returns false if there are too many clients.
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

  /** Sends a heartbeat, and disconnects clients that have read nothing since the last one. */
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
