import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { splitUserinfo, type UrlParts } from '../url-parts.js'
import type { WebdavSettings } from './settings.js'

export interface WebdavLocation {
  readonly type: 'webdav'
  /** Origin of the server, such as `https://host:port`. */
  readonly origin: string
  /**
   * Percent-decoded path of the replica on the server. The path begins with a slash and does not
   * end with a slash. The path "" is the root of the server.
   */
  readonly path: string
  readonly settings: WebdavSettings
}

/** Parses `webdav://[user:password@]host[:port]/path` for HTTP, and `webdavs://` for HTTPS. */
export function parseWebdavUrl(parts: UrlParts): WebdavLocation {
  const { display, params, host } = parts
  const { user, password } = parts.userinfo === undefined ? {} : splitUserinfo(parts.userinfo, display)
  const settings: WebdavSettings = {
    ...(user ? { username: user } : {}),
    ...(password === undefined ? {} : { password }),
    caFile: params.string('caFile'),
    skipVerify: params.boolean('skipVerify'),
  }
  params.rejectRest()
  const origin = `${parts.scheme === 'webdavs' ? 'https' : 'http'}://${host ?? ''}`
  if (!host || !URL.canParse(origin) || new URL(origin).host === '' || /[\s\\]/.test(host)) {
    throw new LitestreamError('INVALID_URL', `${display}: ${parts.quote(host ?? '')} is not a host`, {
      hint: 'Write the replica URL as webdavs://HOST/PATH, or as webdav://HOST/PATH for a server without TLS.',
    })
  }
  const clean = path.posix.normalize(`/${parts.path}`).replace(/\/+$/, '')
  return { type: 'webdav', origin: new URL(origin).origin, path: clean, settings }
}

/** Percent-encodes each segment of a path for a request. */
export function encodePath(decoded: string): string {
  return decoded
    .split('/')
    .map((segment) => encodeURIComponent(segment))
    .join('/')
}

/** Returns `webdavs://host/path` without user and password. */
export function webdavUrl({ origin, path: decoded }: Pick<WebdavLocation, 'origin' | 'path'>): string {
  return origin.replace(/^http/, 'webdav') + encodePath(decoded)
}
