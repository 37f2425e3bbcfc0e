import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { splitUserinfo, type UrlParts } from '../url-parts.js'
import type { SftpSettings } from './settings.js'

export interface SftpLocation {
  readonly type: 'sftp'
  readonly host: string
  readonly port: number
  /**
   * Path of the replica, absolute or relative to the login directory. The path does not end with a
   * slash.
   */
  readonly path: string
  readonly settings: SftpSettings
}

const DEFAULT_PORT = 22

/**
 * Parses `sftp://[user[:password]@]host[:port]/path`. The path `/~/path`, and a URL without a path,
 * are relative to the login directory.
 */
export function parseSftpUrl(parts: UrlParts): SftpLocation {
  const { display, params } = parts
  const settings: SftpSettings = {
    ...(parts.userinfo === undefined ? {} : splitUserinfo(parts.userinfo, display)),
    keyPath: params.string('keyPath'),
    passphrase: params.secret('passphrase'),
    agent: params.string('agent'),
    hostKey: params.string('hostKey'),
    knownHosts: params.string('knownHosts'),
    insecureHostKey: params.boolean('insecureHostKey'),
    concurrentWrites: params.boolean('concurrentWrites'),
  }
  params.rejectRest()
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+))(?::([0-9]+))?$/.exec(parts.host ?? '')
  const port = Number(match?.[3] ?? DEFAULT_PORT)
  if (match === null || port < 1 || port > 65535) {
    throw new LitestreamError('INVALID_URL', `${display}: ${parts.quote(parts.host ?? '')} is not a host with a port`, {
      hint: 'Write the replica URL as sftp://USER@HOST:22/PATH.',
    })
  }
  return { type: 'sftp', host: (match[1] ?? match[2])!, port, path: remotePath(parts.path), settings }
}

function remotePath(urlPath: string): string {
  const home = /^\/~(?:\/|$)/.exec(urlPath)
  const clean = path.posix.normalize(home ? `./${urlPath.slice(home[0].length)}` : urlPath || '.')
  return clean === '/' ? clean : clean.replace(/\/$/, '')
}

/** Returns `sftp://host:port/path` without a user. */
export function sftpUrl({ host, port, path: remote }: SftpLocation): string {
  const name = host.includes(':') ? `[${host}]` : host
  const absolute = remote.startsWith('/') ? remote : remote === '.' ? '/~' : `/~/${remote}`
  return `sftp://${name}${port === DEFAULT_PORT ? '' : `:${port}`}${encodeURI(absolute).replace(/[?#]/g, encodeURIComponent)}`
}
