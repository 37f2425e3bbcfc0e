import { type ErrorCode, LitestreamError } from '../../errors.js'
import { networkFailure } from '../network-errors.js'
import { setRetryAfter } from '../retry.js'
import type { Reply } from './requests.js'

/** Maximum number of characters of a server's text in an error message. */
const MAX_MESSAGE = 200

const NO_STORE = 'Check the URL: the server that answers does not support WebDAV, or a proxy changes the replies.'

const STATUS: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  400: ['STORAGE_FAILED', 'Check the log of the WebDAV server, which does not understand the request.'],
  401: ['ACCESS_DENIED', 'Check `webdav-username` and `webdav-password`, or user and password of the URL.'],
  403: ['ACCESS_DENIED', 'Give the WebDAV user permission to read, write and delete below the path of the replica.'],
  404: ['NOT_FOUND', 'Check the path of the replica.'],
  405: [
    'STORAGE_FAILED',
    'Correct the path of the replica: the path does not name a folder that the server serves with WebDAV.',
  ],
  407: ['ACCESS_DENIED', 'Set the user and the password of the proxy in HTTP_PROXY or HTTPS_PROXY.'],
  408: ['TIMEOUT', 'Check the network between this machine and the server.'],
  409: [
    'NOT_FOUND',
    'Create the parent folder of the replica: the folder does not exist, and the server does not create the folder.',
  ],
  410: ['NOT_FOUND', 'Check the path of the replica.'],
  411: ['STORAGE_FAILED', NO_STORE],
  412: ['PRECONDITION_FAILED', 'Make sure that only one primary writes to the replica.'],
  413: [
    'STORAGE_FAILED',
    'Raise the maximum size of a request body in the WebDAV server and in the proxies in front of the server.',
  ],
  423: ['UNAVAILABLE', 'Wait one minute until the lock of another client expires.'],
  425: ['UNAVAILABLE', 'Repeat the operation.'],
  429: ['THROTTLED', 'Wait before you repeat the operation, or raise the request limit of the WebDAV server.'],
  501: [
    'STORAGE_FAILED',
    'Use another server, or enable WebDAV for the path: the server does not support a WebDAV method.',
  ],
  507: ['DISK_FULL', 'Free disk space on the WebDAV server, or raise the disk quota of the WebDAV user.'],
}

export interface Attempted {
  /** A verb such as "reading" or "writing". */
  readonly doing: string
  /** URL of the file, such as `webdavs://host/path`. */
  readonly target: string
}

/**
 * Returns the error for a response with which the server refuses a request. `said` is the beginning
 * of the response's body.
 */
export function statusError(
  { doing, target }: Attempted,
  reply: Pick<Reply, 'status' | 'headers'>,
  said = '',
): LitestreamError {
  const { status, headers } = reply
  const [code, hint] = classify(status, headers.location)
  const words = titleOf(said)
  const message = `${doing} ${target} failed: HTTP ${status}${words === undefined ? '' : `, "${words}"`}`
  const error = new LitestreamError(code, message, { file: target, hint })
  const wait = Number(headers['retry-after'])
  if (wait > 0) setRetryAfter(error, Math.min(wait, 3600) * 1000)
  return error
}

function classify(status: number, location: string | undefined): readonly [ErrorCode, string] {
  const known = STATUS[status]
  if (known !== undefined) return known
  if (status >= 300 && status < 400) {
    const to = location === undefined ? '' : ` to ${originOf(location)}`
    return [
      'STORAGE_FAILED',
      `Set the replica URL to the target: the server redirects requests${to}, and litestream-ts does not follow redirections.`,
    ]
  }
  if (status >= 500)
    return ['UNAVAILABLE', 'Check the WebDAV server and any proxy in front of the server, then repeat the operation.']
  return ['STORAGE_FAILED', NO_STORE]
}

/** Returns only the origin of a URL, because its query may contain a token. */
function originOf(location: string): string {
  if (!URL.canParse(location)) return 'another place'
  const { protocol, host, pathname } = new URL(location)
  return `${protocol}//${host}${pathname}`
}

/**
 * Returns the title of an HTML page, or the message in the body of an error response, in printable
 * characters.
 */
function titleOf(body: string): string | undefined {
  const found = /<(?:title|(?:[a-z]+:)?message)[^>]*>\s*([^<]{1,200}?)\s*</i.exec(body)?.[1]
  return found?.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_MESSAGE)
}

/** Converts an error of the network, TLS or Node.js to a LitestreamError. */
export function webdavError(thrown: unknown, { doing, target }: Attempted, authorityHint: string): LitestreamError {
  if (thrown instanceof LitestreamError) return thrown
  const failure = networkFailure(thrown, authorityHint)
  const message = thrown instanceof Error ? thrown.message.split('\n', 1)[0]! : String(thrown)
  return new LitestreamError(failure?.code ?? unknownCode(message), `${doing} ${target} failed: ${message}`, {
    cause: thrown,
    file: target,
    hint: failure?.hint ?? NO_STORE,
  })
}

function unknownCode(message: string): ErrorCode {
  return /socket hang up|aborted|premature|parse error/i.test(message) ? 'UNAVAILABLE' : 'STORAGE_FAILED'
}
