import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { LitestreamError } from '../errors.js'
import { HEARTBEAT_MS, type ProcessEvent } from '../status/event-streams.js'
import { linkAbort } from '../util/abort.js'
import { startTimer } from '../util/timers.js'
import { connectionError, notOurs } from './control-client.js'

/**
 * If no line arrives for this many milliseconds, the connection counts as broken. The running
 * process sends a line at least every HEARTBEAT_MS milliseconds.
 */
const SILENCE_MS = 4 * HEARTBEAT_MS
/** Maximum length of one line in characters. */
const MAX_LINE = 1024 * 1024

export interface FollowEventsOptions {
  readonly socket: string
  /** If `path` is set, the process sends only the events of the database at `path`. */
  readonly path: string | undefined
  readonly signal: AbortSignal
  readonly onEvent: (event: ProcessEvent & { readonly time: string }) => void
}

/**
 * Receives the events of the process that listens on a control socket, until `signal` aborts.
 * Throws NOT_FOUND if no process listens on the socket, UNAVAILABLE if the process ends the stream,
 * and TIMEOUT after a minute without a line.
 */
export async function followEvents({ socket, path, signal, onEvent }: FollowEventsOptions): Promise<void> {
  const { request } = await import('node:http')
  const query = path === undefined ? '' : `?path=${encodeURIComponent(path)}`
  const ending = new AbortController()
  const unlink = linkAbort(signal, ending)
  const awake = () => startTimer(SILENCE_MS, () => ending.abort(new DOMException('silence', 'TimeoutError')))
  let timer = awake()
  try {
    const outgoing = request({ socketPath: socket, path: `/events${query}`, method: 'GET', signal: ending.signal })
    outgoing.end()
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    if (response.statusCode !== 200) throw refusal(socket, response.statusCode ?? 0)
    let rest = ''
    for await (const chunk of response.setEncoding('utf8')) {
      timer.stop()
      timer = awake()
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > MAX_LINE) throw notOurs(socket)
      for (const line of lines) onEvent(parseEvent(line, socket))
    }
  } catch (cause) {
    if (signal.aborted) return
    if (!isEnd(cause)) throw connectionError({ socket, timeout: SILENCE_MS }, cause)
  } finally {
    timer.stop()
    unlink()
    ending.abort()
  }
  if (signal.aborted) return
  throw new LitestreamError('UNAVAILABLE', `the process on ${socket} ended the stream of events`, {
    file: socket,
    hint: 'Check that the litestream-ts replicate process is running, then run litestream-ts monitor again.',
  })
}

/** Returns whether the connection ended after the response had started. */
function isEnd(cause: unknown): boolean {
  return cause instanceof Error && cause.message === 'aborted'
}

function refusal(socket: string, status: number): LitestreamError {
  if (status === 503) {
    return new LitestreamError('UNAVAILABLE', `too many clients follow the events of the process on ${socket}`, {
      file: socket,
      hint: 'End another `litestream-ts monitor` command.',
    })
  }
  return new LitestreamError(
    'INVALID_ARGUMENT',
    `the process on ${socket} does not offer a stream of events (status ${status})`,
    {
      file: socket,
      hint: 'Install this version of litestream-ts for the litestream-ts replicate process, and restart the process.',
    },
  )
}

function parseEvent(line: string, socket: string): ProcessEvent & { readonly time: string } {
  try {
    const event = JSON.parse(line) as ProcessEvent & { readonly time: string }
    if (typeof event?.event === 'string' && typeof event.time === 'string') return event
  } catch {
    // A line that is not JSON is treated like a JSON value that is not an event.
  }
  throw notOurs(socket)
}
