import { createHash, randomBytes } from 'node:crypto'
import { reveal } from '../../util/secret.js'
import type { WebdavSettings } from './settings.js'

/** Characters of the longest challenge that is read. */
const MAX_CHALLENGE = 8 * 1024

const HASHES: Readonly<Record<string, string>> = { md5: 'md5', 'sha-256': 'sha256', 'sha-512-256': 'sha512-256' }

interface DigestChallenge {
  readonly realm: string
  readonly nonce: string
  readonly opaque: string | undefined
  /** As the server writes it: MD5, SHA-256-sess. */
  readonly algorithm: string | undefined
  readonly hash: string
  readonly session: boolean
  /** Whether the server takes `qop=auth`; without it the form of RFC 2069 is used. */
  readonly qop: boolean
}

/**
 * Answers a server's challenges: Digest (RFC 7616, MD5 and SHA-2, with and without `qop=auth`) if
 * offered, otherwise Basic (RFC 7617). Sends no credentials before the server requests them.
 */
export class Authorization {
  readonly #username: string | undefined
  readonly #password: string
  #scheme: 'basic' | DigestChallenge | undefined
  /** Requests with the current nonce. */
  #count = 0

  constructor({ username, password }: WebdavSettings) {
    this.#username = username
    this.#password = reveal(password) ?? ''
  }

  get hasCredentials(): boolean {
    return this.#username !== undefined
  }

  /**
   * The header for a request; undefined while the server has not asked. `uri`: path and query as
   * sent.
   */
  header(method: string, uri: string): string | undefined {
    if (this.#username === undefined || this.#scheme === undefined) return undefined
    if (this.#scheme === 'basic') {
      return `Basic ${Buffer.from(`${this.#username}:${this.#password}`).toString('base64')}`
    }
    return this.#digest(this.#username, this.#scheme, method, uri)
  }

  /**
   * Takes the WWW-Authenticate of a 401. Whether the request should be sent again: not if the same
   * credentials were refused under a fresh challenge. `sent`: the header that the refused request
   * had.
   */
  accept(challenges: string | undefined, sent: string | undefined): boolean {
    if (this.#username === undefined || challenges === undefined) return false
    const offered = parseChallenges(challenges.slice(0, MAX_CHALLENGE))
    const digests = offered.flatMap(({ scheme, parameters }) => (scheme === 'digest' ? digestOf(parameters) : []))
    // The strongest algorithm is preferred.
    const digest = digests.find(({ hash }) => hash !== 'md5') ?? digests[0]
    if (digest !== undefined) {
      const stale = offered.some(({ parameters }) => /^true$/i.test(parameters.get('stale') ?? ''))
      const again = sent === undefined || !sent.startsWith('Digest ') || stale
      this.#scheme = digest
      this.#count = 0
      return again
    }
    if (!offered.some(({ scheme }) => scheme === 'basic')) return false
    this.#scheme = 'basic'
    return sent === undefined || !sent.startsWith('Basic ')
  }

  #digest(username: string, challenge: DigestChallenge, method: string, uri: string): string {
    const { realm, nonce, opaque, algorithm, hash, session, qop } = challenge
    const digest = (text: string) => createHash(hash).update(text).digest('hex')
    const cnonce = randomBytes(16).toString('hex')
    const count = (++this.#count).toString(16).padStart(8, '0')
    const user = digest(`${username}:${realm}:${this.#password}`)
    const secret = session ? digest(`${user}:${nonce}:${cnonce}`) : user
    const request = digest(`${method}:${uri}`)
    const response = digest(
      qop ? `${secret}:${nonce}:${count}:${cnonce}:auth:${request}` : `${secret}:${nonce}:${request}`,
    )
    const fields = [
      `username=${quoted(username)}`,
      `realm=${quoted(realm)}`,
      `nonce=${quoted(nonce)}`,
      `uri=${quoted(uri)}`,
      `response="${response}"`,
      ...(algorithm === undefined ? [] : [`algorithm=${algorithm}`]),
      ...(opaque === undefined ? [] : [`opaque=${quoted(opaque)}`]),
      ...(qop ? ['qop=auth', `nc=${count}`] : []),
      ...(qop || session ? [`cnonce="${cnonce}"`] : []),
    ]
    return `Digest ${fields.join(', ')}`
  }
}

/** No control character gets into a header. */
function quoted(text: string): string {
  const bytes = Buffer.from(text.replace(/\p{Cc}/gu, ''))
  return `"${bytes.toString('latin1').replace(/["\\]/g, '\\$&')}"`
}

interface Challenge {
  readonly scheme: string
  readonly parameters: ReadonlyMap<string, string>
}

/** Several challenges may stand in one header, separated by commas as their parameters are. */
function parseChallenges(header: string): Challenge[] {
  const found: { scheme: string; parameters: Map<string, string> }[] = []
  const token =
    /\s*,?\s*(?:([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([A-Za-z][A-Za-z0-9_-]*)(?=[\s,]|$))/y
  for (let match = token.exec(header); match !== null; match = token.exec(header)) {
    const [, name, quotedValue, value, scheme] = match
    if (scheme !== undefined) found.push({ scheme: scheme.toLowerCase(), parameters: new Map() })
    else found.at(-1)?.parameters.set(name!.toLowerCase(), quotedValue?.replace(/\\(.)/g, '$1') ?? value!)
  }
  return found
}

function digestOf(parameters: ReadonlyMap<string, string>): DigestChallenge[] {
  const realm = parameters.get('realm')
  const nonce = parameters.get('nonce')
  const algorithm = parameters.get('algorithm')
  const session = /-sess$/i.test(algorithm ?? '')
  const hash = HASHES[(algorithm ?? 'md5').toLowerCase().replace(/-sess$/, '')]
  const offered = parameters
    .get('qop')
    ?.toLowerCase()
    .split(/[\s,]+/)
  if (realm === undefined || nonce === undefined || hash === undefined) return []
  if (offered !== undefined && !offered.includes('auth')) return []
  return [{ realm, nonce, opaque: parameters.get('opaque'), algorithm, hash, session, qop: offered !== undefined }]
}
