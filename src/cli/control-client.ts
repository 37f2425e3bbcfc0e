import { once } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { type Command, Option } from 'commander'
import { DEFAULTS } from '../config/defaults.js'
import { LitestreamError, toLitestreamError } from '../errors.js'
import { timeoutSignal } from '../util/timers.js'
import { timeoutFlag } from './flag-values.js'

/**
 * Maximum number of characters of a response. The response for 10,000 databases is shorter than a
 * tenth of MAX_ANSWER.
 */
const MAX_ANSWER = 64 * 2 ** 20

export interface ControlFlags {
  /** Path of the control socket, or undefined if `socketOf` must choose the path. */
  readonly socket?: string
  /** Time limit for the response in milliseconds. */
  readonly timeout: number
  readonly json?: boolean
}

/** The path of a control socket, and the time limit for a response in milliseconds. */
type Asked = Required<Pick<ControlFlags, 'socket' | 'timeout'>>

/**
 * Adds the flags `-socket`, `-timeout` and `-json` to `command`. `zero` is the timeout in
 * milliseconds that `-timeout 0` means. If `zero` is undefined, `-timeout 0` is an error.
 */
export function addControlFlags(command: Command, seconds = 30, zero?: number): Command {
  const timeout = (text: string) => (zero !== undefined && text === '0' ? zero : timeoutFlag(text))

  return command
    .option(
      '--socket <path>',
      `control socket of the running process (default: \`socket.path\` of the configuration file, or ${DEFAULTS.socketPath})`,
    )
    .addOption(
      new Option('--timeout <seconds>', 'maximum time to wait for the answer of the running process')
        .argParser(timeout)
        .default(seconds * 1000, String(seconds)),
    )
    .option('--json', 'print JSON')
}

/**
 * Returns the socket path of the `-socket` flag. Without `-socket`, returns the path in the
 * configuration file, or the default path if the configuration file cannot be read.
 */
export async function socketOf({ socket }: Pick<ControlFlags, 'socket'>): Promise<string> {
  if (socket !== undefined) return socket
  const { loadConfig } = await import('../config/load.js')
  try {
    return loadConfig().socket.path
  } catch {
    // The user may have access to the control socket without being able to read the configuration
    // file.
    return DEFAULTS.socketPath
  }
}

/**
 * Sends a request to the process that listens on a control socket. Throws NOT_FOUND if no process
 * listens on the socket. Throws the error that the response contains.
 */
export async function callControl<T>(
  flags: ControlFlags,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
): Promise<T> {
  const socket = await socketOf(flags)
  // The client waits two seconds longer than the process, so that the client can receive a timeout
  // error from the process.
  const signal = timeoutSignal(flags.timeout + 2000)
  // `node:http` is loaded on demand, because most commands contact no running process.
  const { request } = await import('node:http')
  const outgoing = request({
    socketPath: socket,
    path,
    method,
    signal,
    headers: { 'Content-Type': 'application/json' },
  })
  const { status, text } = await answerOf(outgoing, { socket, timeout: flags.timeout }, body)
  const answer = parseAnswer(text, socket) as T & { error?: string; details?: string }
  if (status === 200) return answer
  const code = status === 404 ? 'NOT_FOUND' : status < 500 ? 'INVALID_ARGUMENT' : 'STORAGE_FAILED'
  throw new LitestreamError(code, answer.error ?? `${socket} answered with status ${status}`, {
    hint: answer.details ?? 'Look for the reason in the log of the litestream-ts replicate process.',
  })
}

async function answerOf(outgoing: ClientRequest, flags: Asked, body: object | undefined) {
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
    // A response that is not JSON is treated like a JSON value that is not an object.
  }
  throw notOurs(socket)
}

/** Returns the error if a program other than litestream-ts responds on `socket`. */
export function notOurs(socket: string): LitestreamError {
  return new LitestreamError('INVALID_ARGUMENT', `the process that listens on ${socket} is not litestream-ts`, {
    file: socket,
    hint: 'Set -socket to the `socket.path` of the running process.',
  })
}

/**
 * Converts a connection error of a control socket to a LitestreamError. The `cause` of the returned
 * error is the original error.
 */
export function connectionError({ socket, timeout }: Asked, cause: unknown): LitestreamError {
  if (cause instanceof LitestreamError) return cause
  const { code, name } = cause as NodeJS.ErrnoException
  if (name === 'AbortError' || name === 'TimeoutError') {
    return new LitestreamError('TIMEOUT', `the process on ${socket} did not answer within ${timeout / 1000} s`, {
      cause,
      file: socket,
      hint: 'Raise -timeout, or look for the cause in the log of the litestream-ts replicate process.',
    })
  }
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new LitestreamError('NOT_FOUND', `no litestream-ts process listens on ${socket}`, {
      cause,
      file: socket,
      hint: 'Set `socket: { enabled: true }` in the configuration of the process, or name its socket with -socket.',
    })
  }
  if (code === 'EACCES') {
    return new LitestreamError('ACCESS_DENIED', `cannot open ${socket}: permission denied`, {
      cause,
      file: socket,
      hint: 'Run this command as the user that runs litestream-ts replicate, or change `socket.permissions` in the configuration of that process.',
    })
  }
  if (code?.startsWith('HPE_') || code === 'ECONNRESET') return notOurs(socket)
  const { code: ours, message, hint } = toLitestreamError(cause)
  return new LitestreamError(ours, `cannot send a request to ${socket}: ${message}`, { cause, file: socket, hint })
}
