import { secretsOfUrl } from '../storage/shown-url.js'
import { MASK } from '../util/redact.js'
import { Secret } from '../util/secret.js'

/**
 * Creates a Secret from a heartbeat URL. Messages show only the host of the URL, because the path
 * usually contains a token of the monitoring service.
 */
export function concealHeartbeat(url: string): Secret {
  const [, scheme = '', userinfo = '', host, path] = /^([a-z][a-z0-9+.-]*:\/\/)?([^/?#]*@)?([^/?#]*)(.*)$/is.exec(url)!
  const shown = `${scheme}${userinfo && `${MASK}@`}${host}${path === '' || path === '/' ? path : `/${MASK}`}`
  return new Secret(url, shown, [...secretsOfUrl(url), path!.replace(/^\/+/, '')])
}

/**
 * Creates a Secret from a command line. Messages show only the program, because the arguments may
 * contain passwords.
 */
export function concealCommand(line: string): Secret {
  const [, program = '', rest = ''] = /^\s*(\S*)\s*(.*)$/s.exec(line)!
  const shown = program.includes('=') || /^["']/.test(program) ? MASK : program
  return new Secret(line, rest === '' ? shown : `${shown} ${MASK}`, [])
}
