import { LitestreamError, toLitestreamError } from '../errors.js'
import { MASK, rememberSecret } from '../util/redact.js'
import { Secret } from '../util/secret.js'
import { type AbsLocation, parseAbsUrl } from './abs/location.js'
import { type FileLocation, parseFileUrl } from './file/location.js'
import { type GsLocation, parseGsUrl } from './gs/location.js'
import { type NatsLocation, parseNatsUrl } from './nats/location.js'
import { parseS3Url, type S3Location } from './s3/location.js'
import { type OssLocation, parseOssUrl } from './s3/oss-location.js'
import { parseSftpUrl, type SftpLocation } from './sftp/location.js'
import { isDoubtfulUrl, redactUrl, secretsOfUrl, shownUrl } from './shown-url.js'
import { UrlParams, type UrlParts } from './url-parts.js'
import { parseWebdavUrl, type WebdavLocation } from './webdav/location.js'

export type { FileLocation }

/**
 * The location of a replica, parsed from its URL. Each field of the location is validated and
 * decoded.
 */
export type ReplicaLocation =
  | FileLocation
  | S3Location
  | OssLocation
  | NatsLocation
  | SftpLocation
  | WebdavLocation
  | GsLocation
  | AbsLocation

/** The schemes that `parseReplicaUrl` accepts, as text for messages. */
const SCHEMES = ['file', 's3', 'nats', 'sftp', 'webdav', 'webdavs', 'gs', 'abs', 'oss'] as const

const EXAMPLES = 'file:///var/backups/app.db, s3://bucket/app.db or nats://host:4222/bucket/app.db'

/**
 * The sentence that follows a hint if a "/", "?", "#" or "@" in the URL may belong to a password.
 */
const ENCODE_PASSWORD =
  'Percent-encode a user and a password: "/" as %2F, "?" as %3F, "#" as %23, "@" as %40, ":" as %3A, "%" as %25.'

function splitUrl(url: string): UrlParts {
  const display = redactUrl(url)
  const doubtful = isDoubtfulUrl(url)
  const quote = (part: string) => JSON.stringify(doubtful ? MASK : part)
  const match = /^([a-zA-Z][a-zA-Z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(#.*)?$/s.exec(url)
  if (match === null) {
    throw new LitestreamError('INVALID_URL', `${JSON.stringify(display)} is not a URL: it has no scheme`, {
      hint: `Write the replica as a URL, such as ${EXAMPLES}.`,
    })
  }
  const [, scheme = '', authority, rawPath = '', query = '', fragment] = match
  if (fragment !== undefined) {
    throw new LitestreamError('INVALID_URL', `${display}: a "#" begins a fragment, which a replica URL cannot have`, {
      hint: 'Write a "#" that belongs to the path, the user or the password as %23.',
    })
  }
  const at = authority?.lastIndexOf('@') ?? -1
  return {
    display,
    quote,
    scheme: scheme.toLowerCase(),
    host: authority === undefined ? undefined : authority.slice(at + 1),
    userinfo: at < 0 ? undefined : authority?.slice(0, at),
    rawPath,
    // The path of a file URL is not percent-decoded (file/location.ts).
    path: scheme.toLowerCase() === 'file' ? rawPath : decodePath(rawPath, display, quote),
    params: new UrlParams(query, { display, quote }),
  }
}

function decodePath(text: string, display: string, quote: UrlParts['quote']): string {
  let path: string
  try {
    path = decodeURIComponent(text)
  } catch {
    const wrong = /%(?![0-9a-fA-F]{2}).{0,2}/.exec(text)?.[0] ?? text
    throw new LitestreamError('INVALID_URL', `${display}: ${quote(wrong)} is not a valid percent escape`, {
      hint: 'Write a "%" that belongs to the path as %25.',
    })
  }
  if (path.includes('\0')) {
    throw new LitestreamError('INVALID_URL', `${display}: a path cannot contain a NUL character (%00)`, {
      hint: 'Remove the %00.',
    })
  }
  return path
}

/**
 * Parses a replica URL, such as `file:///path`, `s3://bucket/path?endpoint=…`,
 * `nats://host:port/bucket/prefix`, `gs://bucket/path` or `abs://account@container/path`. Throws
 * INVALID_URL. The error quotes the faulty part of the URL, unless this part may belong to a
 * password. Decodes percent escapes in the path, except for `file:` (`parseFileUrl`). After
 * parseReplicaUrl(), all errors and log lines of this thread mask the secrets in the URL.
 */
export function parseReplicaUrl(url: string, platform: NodeJS.Platform = process.platform): ReplicaLocation {
  if (typeof url !== 'string' || url === '') {
    throw new LitestreamError('INVALID_URL', `a replica URL is text, not ${url === '' ? 'empty' : typeof url}`, {
      hint: `Write the replica as a URL, such as ${EXAMPLES}.`,
    })
  }
  for (const secret of secretsOfUrl(url)) rememberSecret(secret)
  try {
    return parseLocation(splitUrl(url), platform)
  } catch (error) {
    for (const secret of secretsOfUrl(url, true)) rememberSecret(secret)
    const { code, message, hint } = toLitestreamError(error)
    throw new LitestreamError(code, message, { hint: isDoubtfulUrl(url) ? `${hint} ${ENCODE_PASSWORD}` : hint })
  }
}

/**
 * Hints for URL schemes that other programs use. Each hint names the form of URL that this package
 * accepts.
 */
const MEANT: Readonly<Record<string, string>> = {
  gcs: 'Google Cloud Storage is gs://BUCKET/PATH. ',
  azure: 'Azure Blob Storage is abs://CONTAINER/PATH with an account. ',
  az: 'Azure Blob Storage is abs://CONTAINER/PATH with an account. ',
  blob: 'Azure Blob Storage is abs://CONTAINER/PATH with an account. ',
  http: 'A bucket is s3://BUCKET/PATH?endpoint=http://HOST, a WebDAV server webdav://HOST/PATH. ',
  https: 'A bucket is s3://BUCKET/PATH?endpoint=https://HOST, a WebDAV server webdavs://HOST/PATH. ',
  ssh: 'A server with SSH is sftp://HOST/PATH with a user. ',
}
/** Pattern of URL schemes with which users mean a store with the S3 API. */
const LIKE_S3 = /^(minio|r2|b2|backblaze|wasabi|spaces|do|tigris|aws|ceph|garage|s3a|s3n)$/

function meantScheme(scheme: string): string {
  if (scheme.length === 1) return 'A folder on a drive of Windows is file:///C:/PATH. '
  if (LIKE_S3.test(scheme)) return 'A store with the interface of S3 is s3://BUCKET/PATH?endpoint=https://HOST. '
  return Object.hasOwn(MEANT, scheme) ? (MEANT[scheme] as string) : ''
}

function parseLocation(parts: UrlParts, platform: NodeJS.Platform): ReplicaLocation {
  switch (parts.scheme) {
    case 'file':
      return parseFileUrl(parts, platform)
    case 's3':
      return parseS3Url(parts)
    case 'oss':
      return parseOssUrl(parts)
    case 'nats':
      return parseNatsUrl(parts)
    case 'sftp':
      return parseSftpUrl(parts)
    case 'webdav':
    case 'webdavs':
      return parseWebdavUrl(parts)
    case 'gs':
      return parseGsUrl(parts)
    case 'abs':
      return parseAbsUrl(parts)
    default:
      throw new LitestreamError('INVALID_URL', `${parts.display}: "${parts.scheme}" is not a scheme of a replica`, {
        hint: `${meantScheme(parts.scheme)}Use ${SCHEMES.map((scheme) => `${scheme}://`).join(', ')}, such as ${EXAMPLES}.`,
      })
  }
}

/**
 * Returns a replica URL of a configuration as a Secret. The printed form of the returned Secret
 * contains no secret part, even if the URL is invalid.
 */
export function secretUrl(url: string): Secret {
  try {
    parseReplicaUrl(url)
    return new Secret(url, shownUrl(url), secretsOfUrl(url))
  } catch {
    // The error is ignored, because the URL is parsed again when the replica is opened.
    return new Secret(url, redactUrl(url), secretsOfUrl(url, true))
  }
}

/**
 * Whether `text` begins like a URL rather than a path. Commands use `isUrl` to distinguish a
 * replica URL from the path of a database.
 */
export function isUrl(text: string): boolean {
  return /^[a-zA-Z][a-zA-Z0-9+.-]+:\/\//.test(text) || /^file:\//.test(text)
}
