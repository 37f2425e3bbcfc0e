// Node.js loads this module only if LITESTREAM_S3_DEBUG is set.

import type { S3Client } from '@aws-sdk/client-s3'
import { withoutSecrets } from '../../util/redact.js'

/** Maximum number of bytes of a body that the module prints. */
const MAX_BODY = 4096

interface Outgoing {
  readonly method: string
  readonly protocol: string
  readonly hostname: string
  readonly path: string
  readonly query: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

interface Incoming {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** Pattern of the headers that contain a key or a signature. */
const HIDDEN = /^(authorization|x-amz-security-token|.*customer-key)$/i

/**
 * Prints requests and responses to stderr, as Litestream does. `modes` is a comma-separated list of
 * `signing`, `request`, `request-with-body`, `response`, `response-with-body`, `retries` and `all`.
 * The mode `retries` prints all requests, because each attempt is a request. Keys and signatures
 * are always masked. Even the mode `signing` does not print keys and signatures.
 */
export function showRequests(client: S3Client, modes: string): void {
  const wanted = new Set(modes.toLowerCase().split(/[\s,]+/))
  const wants = (...names: string[]) => wanted.has('all') || names.some((name) => wanted.has(name))
  const showsRequest = wants('signing', 'request', 'request-with-body', 'retries')
  const showsResponse = wants('response', 'response-with-body')
  client.middlewareStack.add(
    (next) => async (args) => {
      const request = args.request as Outgoing
      if (showsRequest) print(requestLines(request, wants('request-with-body')))
      const result = await next(args)
      if (showsResponse) print(responseLines(result.response as Incoming, request, wants('response-with-body')))
      return result
    },
    { step: 'deserialize', name: 'litestreamDebug', priority: 'low' },
  )
}

function requestLines(
  { method, protocol, hostname, path, query, headers, body }: Outgoing,
  withBody: boolean,
): string[] {
  const parameters = Object.entries(query).map(([name, value]) => `${name}=${value}`)
  const url = `${protocol}//${hostname}${path}${parameters.length === 0 ? '' : `?${parameters.join('&')}`}`
  return [`S3 request: ${method} ${url}`, ...headerLines(headers), ...(withBody ? bodyLines(body) : [])]
}

function responseLines(
  { statusCode, headers, body }: Incoming,
  { method, path }: Outgoing,
  withBody: boolean,
): string[] {
  return [
    `S3 response: ${statusCode} to ${method} ${path}`,
    ...headerLines(headers),
    ...(withBody ? bodyLines(body) : []),
  ]
}

function headerLines(headers: Readonly<Record<string, string>>): string[] {
  return Object.entries(headers).map(([name, value]) => `  ${name}: ${HIDDEN.test(name) ? '***' : value}`)
}

/**
 * Returns the lines to print for a body that is in memory. Returns no lines of a stream, because
 * reading a stream would consume it.
 */
function bodyLines(body: unknown): string[] {
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) return []
  const text = Buffer.from(body)
    .subarray(0, MAX_BODY)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '.')
  return text === '' ? [] : [`  ${text}`]
}

function print(lines: readonly string[]): void {
  process.stderr.write(`${withoutSecrets(lines.join('\n'))}\n`)
}
