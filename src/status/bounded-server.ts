import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type ErrorHandler, guarded } from '../util/timers.js'

/**
 * Time limits in milliseconds: for the headers of a request, for the whole request, and for the
 * response.
 */
const HEADERS_MS = 10_000
const REQUEST_MS = 20_000
const ANSWER_MS = 30_000
/** Interval at which Node.js checks for slow clients, in milliseconds. */
const CHECK_MS = 1000
const MAX_CONNECTIONS = 200
/** Maximum bytes of a request body that the server reads before it closes the connection. */
const MOST_DISCARDED = 8 * 1024 * 1024

/**
 * Creates an HTTP server that no client can block. The server disconnects a slow client with status
 * 408. While 200 connections are open, the server refuses further connections. An error of the
 * function `answer` goes to `onError` and does not end the process.
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

/**
 * Sends a complete response. If the client does not receive the response in time, disconnects the
 * client.
 */
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

/** Returns the URL of a request. Returns undefined if the request has an invalid URL. */
export function requestUrl({ url = '/' }: IncomingMessage): URL | undefined {
  const full = `http://localhost${url}`
  return url.startsWith('/') && URL.canParse(full) ? new URL(full) : undefined
}

/**
 * Starts to listen. Rejects with the system's error if the server cannot listen. Calls `onFailed`
 * with each later error of the server.
 */
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
 * Returns the whole body of a request as text. Returns undefined if the body has more than `limit`
 * bytes. A client that is still sending its request could not read the response. readBody()
 * therefore reads and discards the bytes beyond `limit`, up to MOST_DISCARDED.
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
