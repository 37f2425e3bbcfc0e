import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import type { Command } from 'commander'
import { DEFAULTS } from '../config/defaults.js'
import { LitestreamError, toLitestreamError } from '../errors.js'
import { timeoutSignal } from '../util/timers.js'
import { timeoutFlag } from './flag-values.js'

/** Characters of an answer; 10,000 databases need less than a tenth. */
const MAX_ANSWER = 64 * 2 ** 20

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

/** Asks the process behind a control socket. Throws NOT_FOUND if no process listens, and the error that the process answers with. */
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
  const { status, text } = await answerOf(outgoing, flags, body)
  const answer = parseAnswer(text, flags.socket) as T & { error?: string; details?: string }
  if (status === 200) return answer
  const code = status === 404 ? 'NOT_FOUND' : status < 500 ? 'INVALID_ARGUMENT' : 'STORAGE_FAILED'
  throw new LitestreamError(code, answer.error ?? `${flags.socket} answered with status ${status}`, {
    hint: answer.details ?? 'Read the log of the running process.',
  })
}

async function answerOf(outgoing: ClientRequest, flags: ControlFlags, body: object | undefined) {
  try {
    outgoing.end(body === undefined ? undefined : JSON.stringify({ timeout: flags.timeout / 1000, ...body }))
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) {
      text += chunk
      if (text.length > MAX_ANSWER) throw notOurs(flags.socket)
    }
    return { status: response.statusCode ?? 0, text }
  } catch (cause) {
    throw connectionError(flags, cause)
  }
}

function parseAnswer(text: string, socket: string): object {
  try {
    const answer: unknown = JSON.parse(text)
    if (typeof answer === 'object' && answer !== null) return answer
  } catch {
    // As any other answer that is not ours.
  }
  throw notOurs(socket)
}

function notOurs(socket: string): LitestreamError {
  return new LitestreamError('INVALID_ARGUMENT', `the process that listens on ${socket} is not litestream-ts`, {
    file: socket,
    hint: 'Set -socket to the `socket.path` of the running process.',
  })
}

function connectionError({ socket, timeout }: ControlFlags, cause: unknown): LitestreamError {
  if (cause instanceof LitestreamError) return cause
  const { code, name } = cause as NodeJS.ErrnoException
  if (name === 'AbortError' || name === 'TimeoutError') {
    return new LitestreamError('TIMEOUT', `no answer on ${socket} within ${timeout / 1000} s`, {
      cause,
      file: socket,
      hint: 'Raise -timeout, or check the log of the running process.',
    })
  }
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new LitestreamError('NOT_FOUND', `no litestream-ts process listens on ${socket}`, {
      cause,
      file: socket,
      hint: 'Set `socket: { enabled: true }` in its configuration, or name its socket with -socket.',
    })
  }
  if (code === 'EACCES') {
    return new LitestreamError('ACCESS_DENIED', `cannot open ${socket}: permission denied`, {
      cause,
      file: socket,
      hint: 'Run as the user of the process, or set `socket.permissions`.',
    })
  }
  if (code?.startsWith('HPE_') || code === 'ECONNRESET') return notOurs(socket)
  const { code: ours, message, hint } = toLitestreamError(cause)
  return new LitestreamError(ours, `cannot ask ${socket}: ${message}`, { cause, file: socket, hint })
}
