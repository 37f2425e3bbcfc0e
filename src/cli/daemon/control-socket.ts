import { lstatSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { expandPath } from '../../config/expand-path.js'
import { isLitestreamError, LitestreamError, toLitestreamError } from '../../errors.js'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { removeFileSync } from '../../fs/remove.js'
import { setSocketMode } from '../../fs/socket-file.js'
import { createBoundedServer, listen, readBody, requestUrl, sendAnswer } from '../../status/bounded-server.js'
import { pause } from '../../util/pause.js'
import { withoutSecrets } from '../../util/redact.js'
import { type ErrorHandler, startInterval, type Timer } from '../../util/timers.js'
import { ControlApi } from './control-api.js'
import { ControlError, readPath } from './control-request.js'
import type { Daemon } from './daemon.js'
import { PROFILE_ROUTES, Profiles } from './profiles.js'

const MAX_BODY = 64 * 1024

/**
 * Maximum length of a socket path in bytes. On Linux, a socket path can have at most 108 bytes,
 * including the final NUL.
 */
const MOST_SOCKET_PATH = 107
/** Milliseconds to wait for a connection to an existing socket. */
const PROBE_MS = 1000
/**
 * Interval in milliseconds between two checks whether the socket file still exists. A user or a
 * cleanup of temporary files may remove the socket file.
 */
const CHECK_MS = 5000

export interface SocketOptions {
  readonly path: string
  readonly permissions: number
}

/**
 * The control socket, an HTTP server on a Unix socket. The permissions of the socket file decide
 * which users may connect. On Windows, the control socket is a named pipe, to which only this user
 * and administrators can connect.
 */
export class ControlSocket {
  readonly #daemon: Daemon
  readonly #api: ControlApi
  readonly #profiles = new Profiles()
  readonly #server: Server
  readonly #path: string
  #check: Timer | undefined
  /** Inode of the socket file that this process created, or undefined for a named pipe. */
  #inode: number | undefined

  private constructor(daemon: Daemon, path: string) {
    this.#daemon = daemon
    this.#path = path
    this.#api = new ControlApi(daemon, path)
    this.#server = createBoundedServer(
      (request, response) => this.#handle(request, response),
      (error) => this.#log('', error),
    )
  }

  /**
   * Creates the control socket. Throws INVALID_ARGUMENT for an invalid socket path, and UNAVAILABLE
   * if the process cannot listen on the path. Replaces a socket file on which no process listens,
   * but never the socket of a running process. Calls `onFailed` when the listening socket fails.
   */
  static async listen(daemon: Daemon, options: SocketOptions, onFailed: ErrorHandler): Promise<ControlSocket> {
    const { path, permissions } = options
    const fault = await socketFault(path)
    if (fault) throw fault
    const socket = new ControlSocket(daemon, path)
    // The umask denies access to all users except the owner until chmod sets the configured
    // permissions.
    const umask = process.umask(0o177)
    try {
      await listen(socket.#server, { path }, onFailed)
      if (!isPipe(path)) socket.#inode = setSocketMode(path, permissions)
    } catch (cause) {
      await socket.close()
      throw new LitestreamError('UNAVAILABLE', `cannot listen on ${path}: ${(cause as Error).message}`, {
        cause,
        file: path,
        hint: isPipe(path)
          ? 'Stop the process that has a pipe of this name, or set `socket.path` to another name.'
          : 'Set `socket.path` to a path in an existing directory to which this user can write.',
      })
    } finally {
      process.umask(umask)
    }
    if (!isPipe(path)) socket.#checkFile(onFailed)
    daemon.logger.info({ socket: path }, 'control socket listening')
    return socket
  }

  #checkFile(onFailed: ErrorHandler): void {
    this.#check = startInterval(CHECK_MS, () => {
      if (this.#isOurs()) return
      this.#check?.stop()
      const message = `the socket file ${this.#path} was removed or replaced`
      onFailed(new LitestreamError('UNAVAILABLE', message, { file: this.#path }))
    }).unref()
  }

  async close(): Promise<void> {
    this.#check?.stop()
    this.#server.closeAllConnections()
    // `Server.close()` removes the file at the socket's path, but meanwhile the file may belong to
    // another process.
    if (this.#inode === undefined || this.#isOurs()) this.#server.close()
    else this.#server.unref()
  }

  #isOurs(): boolean {
    try {
      return lstatSync(this.#path).ino === this.#inode
    } catch {
      return false
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, value: unknown, headers: Readonly<Record<string, string>> = {}) =>
      sendAnswer(
        request,
        response,
        status,
        { ...headers, 'Content-Type': 'application/json' },
        // An error response may repeat an invalid value, which may be a URL with a password.
        `${JSON.stringify(value, status < 400 ? undefined : masked)}\n`,
      )
    try {
      const url = requestUrl(request)
      if (!url) throw new ControlError(400, 'invalid request path', { field: 'path', value: request.url })
      if (url.pathname === '/events' && request.method === 'GET') return this.#serveEvents(request, response, url)
      if (PROFILE_ROUTES.has(url.pathname) && request.method === 'POST') {
        return await this.#profiles.serve(request, response, url)
      }
      send(200, await this.#api.handle(request.method ?? 'GET', url, await readJson(request)))
    } catch (error) {
      if (error instanceof ControlError) {
        const { status, message, details, field, value, headers } = error
        return send(status, { error: message, details, field, value }, headers)
      }
      if (request.errored) return // the client has disconnected
      const { message, hint } = this.#log(request.url ?? '', error)
      send(statusOf(error), { error: message, details: hint })
    }
  }

  /** Throws ControlError. */
  #serveEvents(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const path = url.searchParams.get('path')
    const filter = path === null ? undefined : expandPath(readPath(path))
    if (this.#daemon.events.serve(request, response, filter)) return
    throw new ControlError(503, 'too many clients follow the events', {
      details: 'Disconnect a client of GET /events.',
    })
  }

  #log(url: string, error: unknown): LitestreamError {
    const known = toLitestreamError(error)
    const { message, code, hint } = known
    this.#daemon.logger.error({ socket: this.#path, url, error: message, code, hint }, 'control request failed')
    return known
  }
}

/** Returns status 400 for an error in the request, and status 500 for any other error. */
function statusOf(error: unknown): number {
  return isLitestreamError(error, 'INVALID_ARGUMENT', 'INVALID_URL', 'CONFIG_INVALID') ? 400 : 500
}

/** Returns whether `socket` is the name of a Windows named pipe, such as `\\.\pipe\NAME`. */
function isPipe(socket: string): boolean {
  return /^\\\\[.?]\\pipe\\./i.test(socket)
}

/**
 * Returns an error if `socket` cannot be the name of a control socket on `platform`. On Windows,
 * the name must be that of a pipe, and on other systems, it must be a short path.
 */
function nameFault(socket: string, platform: NodeJS.Platform): LitestreamError | undefined {
  if (platform === 'win32') {
    if (isPipe(socket)) return undefined
    return new LitestreamError(
      'INVALID_ARGUMENT',
      `the control socket is a named pipe on Windows, not a file: ${socket}`,
      {
        file: socket,
        hint: 'Set `socket.path` to \\\\.\\pipe\\NAME, such as \\\\.\\pipe\\litestream.',
      },
    )
  }
  const bytes = Buffer.byteLength(socket)
  if (bytes <= MOST_SOCKET_PATH) return undefined
  return new LitestreamError(
    'INVALID_ARGUMENT',
    `socket path has ${bytes} bytes; the limit is ${MOST_SOCKET_PATH} bytes: ${socket}`,
    { file: socket, hint: 'Set `socket.path` to a shorter path, such as /run/litestream-ts/control.sock.' },
  )
}

/**
 * Returns an error if a control socket certainly cannot be created at `path`. If `keep` is false,
 * also removes a socket file on which no process listens.
 */
export async function socketFault(
  path: string,
  options: { readonly keep?: boolean; readonly platform?: NodeJS.Platform } = {},
): Promise<LitestreamError | undefined> {
  const { keep = false, platform = process.platform } = options
  const wrong = nameFault(path, platform)
  if (wrong) return wrong
  if (platform === 'win32') return (await isAlive(path)) ? inUse(path) : undefined
  const found = lookAt(path)
  if (found === undefined || found instanceof LitestreamError) return found
  if (!found.isSocket) {
    return new LitestreamError('INVALID_ARGUMENT', `the socket path is not a socket: ${path}`, {
      file: path,
      hint: 'Choose another `socket.path`, or remove the file.',
    })
  }
  if (await isAlive(path)) return inUse(path)
  const after = lookAt(path)
  const same = after !== undefined && !(after instanceof LitestreamError) && after.inode === found.inode
  if (same && !keep) removeFileSync(path)
  return undefined
}

function inUse(path: string): LitestreamError {
  return new LitestreamError('UNAVAILABLE', `another process listens on ${path}`, {
    file: path,
    hint: 'Stop the process that listens on this control socket, or set another `socket.path` for the new process.',
  })
}

function lookAt(path: string): { readonly isSocket: boolean; readonly inode: number } | LitestreamError | undefined {
  try {
    const stats = lstatSync(path)
    return { isSocket: stats.isSocket(), inode: stats.ino }
  } catch (error) {
    return isErrno(error, 'ENOENT') ? undefined : fsError(error, 'creating the socket', path)
  }
}

/**
 * Returns whether a process listens on the socket at `path`. Returns true if this process may not
 * access the socket, or if the connection times out.
 */
async function isAlive(path: string): Promise<boolean> {
  const enough = new AbortController()
  const client = connect(path)
  const answer = new Promise<boolean>((resolve) => {
    client.once('connect', () => resolve(true))
    client.once('error', (error) => resolve(!isErrno(error, 'ECONNREFUSED', 'ENOENT')))
  })
  try {
    return await Promise.race([answer, pause(PROBE_MS, enough.signal).then(() => true)])
  } finally {
    enough.abort()
    client.on('error', () => {}) // it has responded
    client.destroy()
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  if (request.method !== 'POST') return undefined
  const text = await readBody(request, MAX_BODY)
  if (text === undefined)
    throw new ControlError(413, `request body must have at most ${MAX_BODY} bytes`, {
      field: 'body',
      headers: { Connection: 'close' },
    })
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    throw new ControlError(400, 'invalid request body', {
      details: 'Send a JSON object as the request body.',
      field: 'body',
    })
  }
}

/** A replacer for JSON.stringify that masks the secrets in a string. */
function masked(_: string, value: unknown): unknown {
  return typeof value === 'string' ? withoutSecrets(value) : value
}
