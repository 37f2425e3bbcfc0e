import { once } from 'node:events'
import { chmodSync, rmSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { LitestreamError } from '../../errors.js'
import { ControlApi, ControlError } from './control-api.js'
import type { Daemon } from './daemon.js'

const MAX_BODY = 64 * 1024

/** The control socket: HTTP over a Unix socket, for those who may open the file. */
export class ControlSocket {
  readonly #daemon: Daemon
  readonly #api: ControlApi
  readonly #server: Server
  readonly #path: string

  private constructor(daemon: Daemon, path: string) {
    this.#daemon = daemon
    this.#path = path
    this.#api = new ControlApi(daemon, path)
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  /** Throws INVALID_ARGUMENT where it cannot listen. A socket that a process left behind when it died is replaced. */
  static async listen(
    daemon: Daemon,
    options: { readonly path: string; readonly permissions: number },
  ): Promise<ControlSocket> {
    const { path, permissions } = options
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats && !stats.isSocket()) {
      throw new LitestreamError('INVALID_ARGUMENT', `socket path exists and is no socket: ${path}`, {
        file: path,
        hint: 'Choose another `socket.path`, or remove the file.',
      })
    }
    if (stats) rmSync(path)
    const socket = new ControlSocket(daemon, path)
    // The mode is right from the first moment: the umask keeps all but the owner out until chmod has run.
    const umask = process.umask(0o177)
    try {
      socket.#server.listen(path)
      await once(socket.#server, 'listening')
      chmodSync(path, permissions)
    } catch (cause) {
      throw new LitestreamError('INVALID_ARGUMENT', `cannot listen on ${path}: ${(cause as Error).message}`, {
        cause,
        file: path,
        hint: 'Its directory must exist and be writable; set `socket.path`.',
      })
    } finally {
      process.umask(umask)
    }
    daemon.logger.info({ socket: path }, 'control socket listening')
    return socket
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, value: unknown) => {
      response.writeHead(status, { 'Content-Type': 'application/json' })
      response.end(`${JSON.stringify(value)}\n`)
    }
    try {
      const url = new URL(request.url ?? '/', 'http://localhost')
      send(200, await this.#api.handle(request.method ?? 'GET', url, await readJson(request)))
    } catch (error) {
      const { message, hint } = error as LitestreamError
      if (error instanceof ControlError) return send(error.status, { error: message, details: error.details })
      this.#daemon.logger.error({ socket: this.#path, url: request.url, error: message }, 'control request failed')
      send(500, { error: message, details: hint })
    }
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  if (request.method !== 'POST') return undefined
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > MAX_BODY) throw new ControlError(400, 'request too large')
  }
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    throw new ControlError(400, 'invalid request body', 'It must be JSON.')
  }
}
