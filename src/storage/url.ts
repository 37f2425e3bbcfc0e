import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { type NatsLocation, parseNatsUrl } from './nats/location.js'
import { parseS3Url, type S3Location } from './s3/location.js'
import { UrlParams, type UrlParts } from './url-parts.js'

export interface FileLocation {
  readonly type: 'file'
  /** Absolute. */
  readonly path: string
}

/** Where a replica is, as its URL says: validated, decoded, every part in its own field. */
export type ReplicaLocation = FileLocation | S3Location | NatsLocation

/** The schemes `parseReplicaUrl` takes, as a message lists them. */
export const SCHEMES = ['file', 's3', 'nats'] as const

const EXAMPLES = 'file:///var/backups/app.db, s3://bucket/app.db or nats://host:4222/bucket/app.db'

function splitUrl(url: string): UrlParts {
  const match = /^([a-zA-Z][a-zA-Z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(#.*)?$/s.exec(url)
  if (match === null) {
    throw new LitestreamError('INVALID_URL', `"${redactUrl(url)}" is not a URL: it has no scheme`, {
      hint: `Write the replica as a URL, such as ${EXAMPLES}.`,
    })
  }
  const [, scheme = '', authority, rawPath = '', query = '', fragment] = match
  const display = redactUrl(url)
  if (fragment !== undefined) {
    throw new LitestreamError(
      'INVALID_URL',
      `${display}: "${fragment}" is a fragment, which a replica URL cannot have`,
      {
        hint: 'Write a "#" that belongs to the path as %23.',
      },
    )
  }
  const at = authority?.lastIndexOf('@') ?? -1
  return {
    display,
    scheme: scheme.toLowerCase(),
    host: authority === undefined ? undefined : authority.slice(at + 1),
    userinfo: at < 0 ? undefined : authority?.slice(0, at),
    path: decodePercent(rawPath, display),
    params: new UrlParams(query, display),
  }
}

function decodePercent(text: string, display: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    const wrong = /%(?![0-9a-fA-F]{2}).{0,2}/.exec(text)?.[0] ?? text
    throw new LitestreamError('INVALID_URL', `${display}: "${wrong}" is not a valid percent escape`, {
      cause,
      hint: 'Write a "%" that belongs to the path as %25.',
    })
  }
}

function parseFileUrl(parts: UrlParts): FileLocation {
  if (parts.host !== undefined && parts.host !== '' && parts.host !== 'localhost') {
    throw new LitestreamError(
      'INVALID_URL',
      `${parts.display}: "${parts.host}" is read as a host, and a file has none`,
      {
        hint: `An absolute path needs three slashes: file:///${parts.host}${parts.path}`,
      },
    )
  }
  if (parts.userinfo !== undefined) {
    throw new LitestreamError('INVALID_URL', `${parts.display}: a file URL takes no user or password`, {
      hint: `An absolute path needs three slashes: file://${parts.path}`,
    })
  }
  if (!parts.path.startsWith('/') || path.posix.normalize(parts.path) === '/') {
    throw new LitestreamError(
      'INVALID_URL',
      `${parts.display}: "${parts.path}" is not the absolute path of a directory`,
      {
        hint: 'Write the path in full, such as file:///var/backups/app.db.',
      },
    )
  }
  if (parts.path.includes('\0')) {
    throw new LitestreamError('INVALID_URL', `${parts.display}: a path cannot hold a NUL byte (%00)`)
  }
  parts.params.rejectRest()
  return { type: 'file', path: path.posix.resolve(parts.path) }
}

/**
 * Reads a replica URL: `file:///path`, `s3://bucket/path?endpoint=…`, `nats://host:port/bucket/prefix`. Throws INVALID_URL with a
 * message that quotes the part that is wrong. Percent escapes in the path are decoded, on every scheme.
 */
export function parseReplicaUrl(url: string): ReplicaLocation {
  const parts = splitUrl(url)
  switch (parts.scheme) {
    case 'file':
      return parseFileUrl(parts)
    case 's3':
      return parseS3Url(parts)
    case 'nats':
      return parseNatsUrl(parts)
    default:
      throw new LitestreamError('INVALID_URL', `${parts.display}: "${parts.scheme}" is not a scheme of a replica`, {
        hint: `Use ${SCHEMES.map((scheme) => `${scheme}://`).join(', ')}, such as ${EXAMPLES}.`,
      })
  }
}

/** Whether `text` begins like a URL rather than a path: what the commands use to tell a replica from a database. */
export function isUrl(text: string): boolean {
  return /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\//.test(text) || /^file:\//.test(text)
}

/** The parameters whose values never belong into a message. */
const SECRET_PARAMETER = /([?&][^=&]*(?:secret|password|token|key|seed|jwt|creds)[^=&]*=)[^&#]*/gi

/** `url` as it may be shown: user, password and secret parameters replaced by `***`. Takes any text, also one that is no URL. */
export function redactUrl(url: string): string {
  return url.replace(/^([a-zA-Z][a-zA-Z0-9+.-]*:\/\/)[^/?#]*@/, '$1***@').replace(SECRET_PARAMETER, '$1***')
}
