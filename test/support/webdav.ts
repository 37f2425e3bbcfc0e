import type { ApacheServer } from './servers/apache.js'

/** The replica URL of a folder below `location`, with the login that it asks for. */
export function webdavUrl(
  { port, user, password }: ApacheServer,
  folder: string,
  location: 'dav' | 'basic' | 'digest' = 'dav',
): string {
  const login = location === 'dav' ? '' : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`
  return `webdav://${login}127.0.0.1:${port}/${location}/${folder}`
}
