import { createHash, randomBytes } from 'node:crypto'
import { reveal } from '../../util/secret.js'
import type { WebdavSettings } from './settings.js'

/** Maximum number of characters of the header WWW-Authenticate that the client reads. */
const MAX_CHALLENGE = 8 * 1024

const HASHES: Readonly<Record<string, string>> = { md5: 'md5', 'sha-256': 'sha256', 'sha-512-256': 'sha512-256' }

interface DigestChallenge {
  readonly realm: string
  readonly nonce: string
  readonly opaque: string | undefined
  /** Name of the hash algorithm as the server writes it, such as MD5 or SHA-256-sess. */
  readonly algorithm: string | undefined
  readonly hash: string
  readonly session: boolean
  /**
   * Whether the server accepts the quality of protection `auth` of Digest authentication. If the
   * server does not accept `qop=auth`, the client answers in the form of RFC 2069.
   */
  readonly qop: boolean
}

/**
 * Answers the authentication challenges of a server. If the server offers Digest, the class uses
 * Digest (RFC 7616, MD5 and SHA-2, with and without `qop=auth`). If the server does not offer
 * Digest, the class uses Basic (RFC 7617). The class sends no credentials before the server has
 * asked for them.
 */
export class Authorization {
  readonly #username: string | undefined
  readonly #password: string
  #scheme: 'basic' | DigestChallenge | undefined
  /** Number of requests that the client has sent with the current nonce. */
  #count = 0

  constructor({ username, password }: WebdavSettings) {
    this.#username = username
    this.#password = reveal(password) ?? ''
  }

  get hasCredentials(): boolean {
    return this.#username !== undefined
  }

  /**
   * Returns the header Authorization for a request, or undefined if the server has not asked for
   * credentials. `uri` consists of the path and the query as the client sends them.
   */
  header(method: string, uri: string): string | undefined {
    if (this.#username === undefined || this.#scheme === undefined) return undefined
    if (this.#scheme === 'basic') {
      return `Basic ${Buffer.from(`${this.#username}:${this.#password}`).toString('base64')}`
    }
    return this.#digest(this.#username, this.#scheme, method, uri)
  }

  /**
   * Reads the header WWW-Authenticate of a response with status 401. Returns whether the client
   * should send the request again. Returns false if the server has refused the same credentials in
   * answer to a fresh challenge. `sent` is the header Authorization of the refused request.
   */
  accept(challenges: string | undefined, sent: string | undefined): boolean {
    if (this.#username === undefined || challenges === undefined) return false
    const offered = parseChallenges(challenges.slice(0, MAX_CHALLENGE))
    const digests = offered.flatMap(({ scheme, parameters }) => (scheme === 'digest' ? digestOf(parameters) : []))
    // Prefers SHA-2 to MD5, because SHA-2 is stronger.
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

/** Quotes text for a header. Omits the control characters of the text. */
function quoted(text: string): string {
  const bytes = Buffer.from(text.replace(/\p{Cc}/gu, ''))
  return `"${bytes.toString('latin1').replace(/["\\]/g, '\\$&')}"`
}

interface Challenge {
  readonly scheme: string
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * Parses a header WWW-Authenticate with one or more challenges. Commas separate both the challenges
 * and the parameters of a challenge.
 */
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
