import { hasOddColon, MASK, maskUserinfo } from '../util/redact.js'

/**
 * The canonical names of the URL parameters whose values may appear in messages. Messages mask the
 * value of any other parameter, because even a parameter with a misspelled name may be secret.
 */
const SHOWN_PARAMETERS: ReadonlySet<string> = new Set([
  ...['endpoint', 'region', 'anonymous', 'forcepathstyle', 'skipverify', 'signpayload', 'requirecontentmd5'],
  ...['concurrency', 'partsize', 'storageclass', 'ssecustomeralgorithm', 'ssekmskeyid'],
  ...['tls', 'bucket', 'createbucket', 'conditionalwrites'],
  ...['hostkey', 'insecurehostkey', 'concurrentwrites'],
])

/**
 * Names of URL parameters whose value is the path of a file. URLs in messages do not show the value
 * of a file parameter, because a user may have written a secret instead of a path. Only error
 * messages about the file show its path.
 */
const FILE_PARAMETERS: ReadonlySet<string> = new Set([
  ...['creds', 'rootcas', 'clientcert', 'clientkey', 'ssecustomerkeypath', 'cafile'],
  ...['keypath', 'knownhosts', 'agent'],
])

/**
 * Returns the canonical name of a URL parameter. `forcePathStyle`, `force-path-style` and
 * `force_path_style` have the same canonical name.
 */
export const canonicalParameter = (name: string): string => name.replace(/[-_]/g, '').toLowerCase()

interface Analysis {
  readonly shown: string
  /**
   * The secret parts of the URL, each both as written and percent-decoded. The secret parts are the
   * user and the password, both together and separately, and the values of parameters.
   */
  readonly secrets: readonly string[]
  /**
   * Whether the URL's password may contain an unescaped "/", "?", "#" or "@". If it does, the part
   * of the URL that looks like host, path or fragment may belong to the password.
   */
  readonly doubtful: boolean
}

function analyse(url: string): Analysis {
  const [, scheme = '', rest = url] = /^([a-zA-Z][a-zA-Z0-9+.-]*:(?:\/\/)?)?(.*)$/s.exec(url)!
  const [authority] = rest.split(/[/?#]/, 1) as [string]
  const inAuthority = authority.lastIndexOf('@')
  const isPath = authority === '' && (scheme === '' || /^file:/i.test(scheme))
  const doubtful =
    !isPath &&
    !authority.startsWith('arn:') &&
    (rest.slice(authority.length).includes('@') || (inAuthority < 0 && hasOddColon(authority)))
  const [beforeFragment, fragment] = cut(rest.slice(inAuthority + 1), '#')
  const [base, query] = cut(beforeFragment, '?')
  const parameters = query === undefined ? [] : query.split('&').map(parameter)
  const userinfo = inAuthority < 0 ? '' : rest.slice(0, inAuthority)
  // With the schemes sftp, webdav and abs, a user without a password is a public name such as root.
  // With all other schemes, a user without a password is a secret token.
  const isNamed = /^(sftp|webdavs?|abs):/i.test(scheme)
  const shownQuery = query === undefined ? '' : `?${parameters.map(({ shown }) => shown).join('&')}`
  return {
    // No replica URL has a fragment. Text after a "#" is therefore a mistake, or the end of a
    // secret that contains a "#".
    shown: `${scheme}${inAuthority < 0 ? '' : `${MASK}@`}${base}${shownQuery}${fragment === undefined ? '' : `#${MASK}`}`,
    secrets: [...secretsOfUserinfo(userinfo, isNamed), ...parameters.flatMap(({ secrets }) => secrets), fragment ?? ''],
    doubtful,
  }
}

function cut(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

function secretsOfUserinfo(userinfo: string, isNamed = false): string[] {
  if (userinfo === '') return []
  const [user, password] = cut(userinfo, ':')
  const parts = password === undefined ? (isNamed ? [] : [user]) : [userinfo, password]
  return parts.flatMap((part) => [part, decoded(part)])
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // parseReplicaUrl reports it
  }
}

function parameter(text: string): { shown: string; secrets: readonly string[] } {
  const [name, value] = cut(text, '=')
  if (value === undefined || value === '') {
    // Text in the query that is not the name of a known parameter may be the end of a secret with
    // an "&" or a "?".
    const plain = text === '' || SHOWN_PARAMETERS.has(canonicalParameter(name))
    return plain ? { shown: text, secrets: [] } : { shown: MASK, secrets: [name] }
  }
  if (!SHOWN_PARAMETERS.has(canonicalParameter(name))) {
    const secrets = FILE_PARAMETERS.has(canonicalParameter(name)) ? [] : [value, decoded(value.replaceAll('+', ' '))]
    return { shown: `${name}=${MASK}`, secrets }
  }
  const plain = decoded(value)
  if (!plain.includes('@')) return { shown: text, secrets: [] }
  const endpoint = /^[a-z][a-z0-9+.-]*:\/\//i.test(plain) ? plain : `x://${plain}`
  return { shown: `${name}=${maskEndpoint(plain)}`, secrets: analyse(endpoint).secrets }
}

/** Returns the address of a service without its user and password. */
export function maskEndpoint(endpoint: string): string {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint)) return maskUserinfo(endpoint)
  const at = endpoint.lastIndexOf('@')
  return at < 0 ? endpoint : `${MASK}${endpoint.slice(at)}`
}

/** Masks all parts that would belong to a user or a password if the URL were parsed differently. */
function maskDoubtful(url: string, { shown, secrets, doubtful }: Analysis): Analysis {
  if (!doubtful) return { shown, secrets, doubtful }
  const begin = /^[a-zA-Z][a-zA-Z0-9+.-]*:(?:\/\/)?/.exec(url)?.[0] ?? ''
  const at = url.lastIndexOf('@')
  const userinfo = at < begin.length ? url.slice(begin.length) : url.slice(begin.length, at)
  const rest = at < begin.length ? '' : analyse(`x://${url.slice(at + 1)}`).shown.slice('x://'.length)
  const may = secretsOfUserinfo(userinfo)
  return { shown: `${begin}${MASK}${at < begin.length ? '' : '@'}${rest}`, secrets: [...secrets, ...may], doubtful }
}

/**
 * Returns `url` for messages. `url` may be invalid. Masks with `***` the user, the password, the
 * values of parameters, and all parts that may belong to a password that was not percent-encoded.
 * redactUrl() accepts any text.
 */
export function redactUrl(url: string): string {
  return maskDoubtful(url, analyse(url)).shown
}

/**
 * Whether some part of `url` may belong to a password, so that messages must not quote any part of
 * the URL.
 */
export function isDoubtfulUrl(url: string): boolean {
  return analyse(url).doubtful
}

/**
 * Returns the secret parts of a valid `url`. If `invalid` is true, returns all parts that may be
 * secret.
 */
export function secretsOfUrl(url: string, invalid = false): readonly string[] {
  const exact = analyse(url)
  return invalid ? maskDoubtful(url, exact).secrets : exact.secrets
}

/**
 * Returns a valid `url` for messages. In the result, the user, the password and all parameter
 * values that may be secret are masked or removed.
 */
export function shownUrl(url: string): string {
  return analyse(url).shown
}
