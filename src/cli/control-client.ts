import { once } from 'node:events'
import { request } from 'node:http'
import type { Command } from 'commander'
import { DEFAULTS } from '../config/defaults.js'
import { LitestreamError } from '../errors.js'
import { timeoutSignal } from '../util/timers.js'
import { timeoutFlag } from './flag-values.js'

export interface ControlFlags {
  readonly socket: string
  /** Milliseconds. */
  readonly timeout: number
  readonly json?: boolean
}

export function addControlFlags(command: Command, seconds = 30): Command {
  return command
    .option('--socket <path>', 'control socket of the running process', DEFAULTS.socketPath)
    .option('--timeout <seconds>', 'how long to wait', timeoutFlag, seconds * 1000)
    .option('--json', 'print JSON')
}

/** Asks the process behind a control socket. Throws NOT_FOUND where nobody listens, and what the process answers. */
export async function callControl<T>(
  flags: ControlFlags,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
): Promise<T> {
  // The process has the same time, in seconds; a little more here, so that its own answer arrives.
  const signal = timeoutSignal(flags.timeout + 2000)
  const outgoing = request({
    socketPath: flags.socket,
    path,
    method,
    signal,
    headers: { 'Content-Type': 'application/json' },
  })
  let status: number
  let text = ''
  try {
    outgoing.end(body === undefined ? undefined : JSON.stringify({ timeout: flags.timeout / 1000, ...body }))
    const [response] = await once(outgoing, 'response')
    status = response.statusCode
    for await (const chunk of response.setEncoding('utf8')) text += chunk
  } catch (cause) {
    throw connectionError(flags, cause)
  }
  const answer = JSON.parse(text) as T & { error?: string; details?: string }
  if (status === 200) return answer
  const code = status === 404 ? 'NOT_FOUND' : status === 400 ? 'INVALID_ARGUMENT' : 'STORAGE_FAILED'
  throw new LitestreamError(code, answer.error ?? `status ${status}`, { hint: answer.details })
}

function connectionError({ socket, timeout }: ControlFlags, cause: unknown): LitestreamError {
  const { code, message, name } = cause as NodeJS.ErrnoException
  if (name === 'AbortError' || name === 'TimeoutError') {
    return new LitestreamError('TIMEOUT', `no answer on ${socket} within ${timeout / 1000} s`, { cause, file: socket })
  }
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new LitestreamError('NOT_FOUND', `no litestream-ts process listens on ${socket}`, {
      cause,
      file: socket,
      hint: 'Set `socket: { enabled: true }` in its configuration, or name its socket with -socket.',
    })
  }
  if (code === 'EACCES') {
    return new LitestreamError('ACCESS_DENIED', `may not open ${socket}`, {
      cause,
      file: socket,
      hint: 'Run as the user of the process, or set `socket.permissions`.',
    })
  }
  return new LitestreamError('UNAVAILABLE', `cannot ask ${socket}: ${message}`, { cause, file: socket })
}
