import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type ErrorHandler, guarded } from '../util/timers.js'

/**
 * Time limits of a client for sending its headers, sending its whole request, and receiving the
 * response. Milliseconds.
 */
const HEADERS_MS = 10_000
const REQUEST_MS = 20_000
const ANSWER_MS = 30_000
/** Interval at which Node.js checks for slow clients, in milliseconds. */
const CHECK_MS = 1000
const MAX_CONNECTIONS = 200
/** Bytes of a body that are read at most; beyond that the connection is closed. */
const MOST_DISCARDED = 8 * 1024 * 1024

/**
 * An HTTP server that no client can block: slow clients are disconnected with status 408, and
 * connections beyond 200 are refused. An error in `answer` goes to `onError`, never to the process.
 */
export function createBoundedServer(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  onError: ErrorHandler,
): Server {
  const limits = { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, connectionsCheckingInterval: CHECK_MS }
  const server = createServer(
    limits,
    guarded(async (request: IncomingMessage, response: ServerResponse) => {
      response.on('error', () => {}) // the client has disconnected
      await answer(request, response)
    }, onError),
  )
  server.maxConnections = MAX_CONNECTIONS
  return server
}

/** Sends a complete response, and disconnects a client that does not receive it in time. */
export function sendAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): void {
  if (response.headersSent || response.destroyed) return
  response.setTimeout(ANSWER_MS, () => response.destroy())
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** The path and query of a request; undefined if it is invalid. */
export function requestUrl({ url = '/' }: IncomingMessage): URL | undefined {
  const full = `http://localhost${url}`
  return url.startsWith('/') && URL.canParse(full) ? new URL(full) : undefined
}

/** Listens; rejects with the system's error. Later errors of the server go to `onFailed`. */
export async function listen(
  server: Server,
  options: { readonly path: string } | { readonly host: string; readonly port: number },
  onFailed: ErrorHandler,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options, () => {
      server.off('error', reject)
      server.on('error', guarded(onFailed))
      resolve()
    })
  })
}

/**
 * The whole body of a request as text; undefined if it has more than `limit` bytes. A client that is
 * still sending would lose the response, so the rest is read and discarded, up to MOST_DISCARDED.
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<string | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > MOST_DISCARDED) return undefined
  let text = ''
  let bytes = 0
  request.setEncoding('utf8')
  for await (const chunk of request) {
    bytes += Buffer.byteLength(chunk as string)
    if (bytes <= limit) text += chunk
    else if (bytes > MOST_DISCARDED) break
  }
  return bytes <= limit ? text : undefined
}
