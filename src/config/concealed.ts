import { secretsOfUrl } from '../storage/shown-url.js'
import { MASK } from '../util/redact.js'
import { Secret } from '../util/secret.js'

/**
 * The URL of a heartbeat, shown only with its host: monitoring services put their token into the
 * path.
 */
export function concealHeartbeat(url: string): Secret {
  const [, scheme = '', userinfo = '', host, path] = /^([a-z][a-z0-9+.-]*:\/\/)?([^/?#]*@)?([^/?#]*)(.*)$/is.exec(url)!
  const shown = `${scheme}${userinfo && `${MASK}@`}${host}${path === '' || path === '/' ? path : `/${MASK}`}`
  return new Secret(url, shown, [...secretsOfUrl(url), path!.replace(/^\/+/, '')])
}

/** A command line, shown only with its program: the arguments may be passwords. */
export function concealCommand(line: string): Secret {
  const [, program = '', rest = ''] = /^\s*(\S*)\s*(.*)$/s.exec(line)!
  const shown = program.includes('=') || /^["']/.test(program) ? MASK : program
  return new Secret(line, rest === '' ? shown : `${shown} ${MASK}`, [])
}
