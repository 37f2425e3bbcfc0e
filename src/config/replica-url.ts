import path from 'node:path'
import { fileUrl } from '../storage/file/location.js'
import { isUrl, secretUrl } from '../storage/url.js'
import { reveal, type Secret } from '../util/secret.js'
import { expandPath } from './expand-path.js'
import type { ReplicaFile } from './replica-settings.js'

/** For each URL scheme, the keys whose values the URL itself contains. */
const PARTS_OF_URL: Readonly<Record<string, readonly (keyof ReplicaFile)[]>> = {
  file: ['path'],
  s3: ['path', 'bucket'],
  gs: ['path', 'bucket'],
  abs: ['path', 'bucket'],
  oss: ['path', 'bucket'],
  nats: ['path', 'bucket'],
  sftp: ['path', 'host'],
  webdav: ['path', 'webdav-url'],
}

const REPLICA_TYPES = Object.keys(PARTS_OF_URL)

/**
 * Creates the error for a faulty value of the key `key`. The caller adds the position of the fault
 * in the configuration file.
 */
export type Fail = (key: keyof ReplicaFile | undefined, message: string, hint?: string) => Error

/**
 * Returns the replica type as Litestream determines it. The scheme of `url` takes precedence over
 * `type`. If neither `url` nor `type` is set, the replica type is `file`.
 */
export function replicaType(replica: ReplicaFile): string {
  if (replica.url !== undefined)
    return (/^([a-z][a-z0-9+.-]*):/i.exec(replica.url.reveal())?.[1]?.toLowerCase() ?? 'file').replace(
      /^webdavs$/,
      'webdav',
    )
  return replica.type ?? 'file'
}

function required(
  replica: ReplicaFile,
  key: 'bucket' | 'host' | 'path' | 'webdav-url',
  type: string,
  fail: Fail,
): string {
  const value = reveal(replica[key])
  if (!value)
    throw fail(undefined, `${key} required for ${type} replica`, `Write \`url: ${type}://…\` or set \`${key}\`.`)
  return value
}

function keyPath(written: string | undefined): string {
  return encodeURI(path.posix.normalize(`/${written ?? ''}`))
    .replaceAll('?', '%3F')
    .replaceAll('#', '%23')
}

/**
 * Returns the replica URL. Accepts a replica that has only `url`, and a replica that has `type` and
 * the keys of this type.
 */
export function replicaUrl(replica: ReplicaFile, fail: Fail): Secret {
  return secretUrl(urlText(replica, fail))
}

function urlText(replica: ReplicaFile, fail: Fail): string {
  const type = replicaType(replica)
  if (!Object.hasOwn(PARTS_OF_URL, type)) {
    throw fail(
      replica.url === undefined ? 'type' : 'url',
      `unknown replica type in config: ${JSON.stringify(type)}`,
      `Use one of ${REPLICA_TYPES.join(', ')}.`,
    )
  }
  if (replica.path !== undefined && isUrl(replica.path)) {
    throw fail(
      'path',
      "replica path cannot be a url, please use the 'url' field instead",
      `Write \`url: ${secretUrl(replica.path)}\`.`,
    )
  }
  if (replica.url !== undefined) {
    // In Litestream's example configuration, the NATS URL has no path, and the key `bucket`
    // contains the bucket.
    const url = replica.url.reveal()
    const bare = type === 'nats' && /^nats:\/\/[^/]*\/?$/i.test(url)
    for (const key of PARTS_OF_URL[type]!) {
      if (replica[key] === undefined || (bare && key === 'bucket')) continue
      throw fail(
        key,
        `cannot specify url & ${key} for ${type} replica`,
        `Delete \`${key}\`, which the URL replaces, or delete \`url\`.`,
      )
    }
    if (bare && replica.bucket) return `${url.replace(/\/$/, '')}/${encodeURIComponent(replica.bucket)}`
    return url
  }
  switch (type) {
    case 'file':
      return fileUrl(expandPath(required(replica, 'path', type, fail)))
    case 'nats':
      return `nats://${replica.host ?? '127.0.0.1:4222'}/${encodeURIComponent(required(replica, 'bucket', type, fail))}`
    case 'sftp': {
      const user = replica.user ? `${encodeURIComponent(replica.user)}@` : ''
      const host = required(replica, 'host', type, fail)
      // A `path` that does not begin with a slash is relative to the home directory of the SFTP
      // user.
      return `sftp://${user}${host}${replica.path?.startsWith('/') ? keyPath(replica.path) : `/~${keyPath(replica.path)}`}`
    }
    case 'webdav': {
      const url = required(replica, 'webdav-url', type, fail)
      if (!/^(?:http|webdav)s?:\/\//i.test(url)) {
        throw fail('webdav-url', 'webdav-url is not the URL of a WebDAV server', 'Write the URL as https://HOST/PATH.')
      }
      return url.replace(/^http/i, 'webdav').replace(/\/$/, '') + keyPath(replica.path)
    }
    default:
      return `${type}://${required(replica, 'bucket', type, fail)}${keyPath(replica.path)}`
  }
}
