/** The replacement for a secret. */
export const MASK = '***'

/**
 * Minimum length: shorter values are often ordinary words, so masking them would garble messages
 * and protect nothing.
 */
const SHORTEST = 4
/**
 * A value below this length is masked only as a whole word, so that the password "data" leaves
 * "database" readable.
 */
const WHOLE_WORD_BELOW = 8
/**
 * Maximum number of remembered secrets, newest last: a process with rotating credentials must not
 * grow without limit.
 */
const REMEMBERED = 1000

/**
 * The values of all secrets of this thread, in every spelling in which another package might print
 * them.
 */
const known = new Map<string, readonly string[]>()
let pattern: RegExp | undefined

/** Makes `withoutSecrets` mask `value` from now on, on this thread. */
export function rememberSecret(value: string): void {
  if (value.length < SHORTEST || known.has(value)) return
  known.set(value, spellings(value))
  if (known.size > REMEMBERED) known.delete(known.keys().next().value!)
  pattern = undefined
}

/**
 * Unchanged, percent-encoded as by URI components, forms and the URL class, in JSON, and in base64.
 */
function spellings(value: string): string[] {
  const form = new URLSearchParams([['', value]]).toString().slice(1)
  const all = [
    value,
    encode(encodeURIComponent, value),
    encode(encodeURI, value),
    form,
    JSON.stringify(value).slice(1, -1),
    value.replaceAll('/', '\\/'),
    Buffer.from(value).toString('base64'),
  ]
  return [...new Set(all)]
}

function encode(how: (text: string) => string, value: string): string {
  try {
    return how(value)
  } catch {
    return value // a lone surrogate, which has no UTF-8 form
  }
}

function knownPattern(): RegExp {
  if (pattern) return pattern
  const all = [...known.values()].flat().sort((a, b) => b.length - a.length)
  const sources = all.map((text) => {
    const literal = text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
    return text.length < WHOLE_WORD_BELOW ? `(?<![A-Za-z0-9])${literal}(?![A-Za-z0-9])` : literal
  })
  pattern = new RegExp(sources.join('|'), 'g')
  return pattern
}

/** Names of parameters, fields and headers that have secret values. */
const SECRET_NAME = new RegExp(
  [
    'secret|passw|passphrase|pwd|token|signature|credential|jwt|nkey|seed|creds',
    'api[-_]?key|access[-_]?key(?![-_]?id)|account[-_]?key|private[-_]?key|customer[-_]?key(?![-_]?(?:path|md5))',
  ].join('|'),
  'i',
)

/**
 * Patterns for named values: the name is the first group, then follows the value. Names begin at a
 * word boundary.
 */
const NAMED: readonly { readonly name: RegExp; readonly value: RegExp }[] = [
  // name=value, as in a query, a connection string or an environment variable
  { name: /(?<![\w.-])([\w.-]{1,100})=/g, value: /"[^"]*"|'[^']*'|[^\s&"'<>]+/y },
  // "name": "value", as in JSON
  { name: /"([\w.-]{1,100})"\s{0,4}:\s{0,4}/g, value: /"(?:[^"\\]|\\.)*"|[^\s,}\]]+/y },
  // a command line option followed by its value as the next word
  { name: /(?<=\s)(--?[\w-]{1,100})\s{1,4}/g, value: /[^\s-]\S*/y },
]

/** Patterns of values that are secret because of their form. */
const FORMS: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic|AWS4-HMAC-SHA256)\s{1,4}[^\s"',]+(?:,\s{0,4}\w{1,40}=[^\s,"']+)*/g, `$1 ${MASK}`],
  [/(?<![\w-])eyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, MASK], // a JWT
  [/\bS[ACNOUX][A-Z2-7]{40,}\b/g, MASK], // the seed of an NKey
  [/-----BEGIN ([A-Z ]{0,20}PRIVATE KEY|NATS USER JWT|USER NKEY SEED)-----[\s\S]*?(?:-{3,}END \1-{3,}|$)/g, MASK],
]

/**
 * The beginning of a URL, also of one that `path.resolve` treated as a path, which leaves only one
 * slash.
 */
const URL_BEGIN = /(?<![a-z0-9+.-])(?=[a-z][a-z0-9+.-]{1,40}:\/)/i

/**
 * Longer text is truncated: a message is for people, and a store's message must not cost time
 * proportional to its length.
 */
const MOST_CHARACTERS = 16_384

/**
 * Masks everything in `text` that is, or looks like, a secret: the values of all secrets that this
 * thread has created, user names and passwords of URLs, secret parameters, tokens. For text from
 * other sources, such as the message of an SDK's error.
 */
export function withoutSecrets(text: string): string {
  const left = text.length - MOST_CHARACTERS
  let safe = left > 0 ? text.slice(0, MOST_CHARACTERS) : text
  if (known.size > 0) safe = safe.replace(knownPattern(), MASK)
  if (safe.includes('@') && safe.includes(':/')) safe = safe.replace(/[^\s"'<>`]+/g, maskUserinfos)
  for (const [secret, replacement] of FORMS) safe = safe.replace(secret, replacement)
  for (const { name, value } of NAMED) safe = maskNamed(safe, name, value)
  return left > 0 ? `${safe}… (${left} more characters)` : safe
}

/** Masks each value after a secret name. */
function maskNamed(text: string, name: RegExp, value: RegExp): string {
  let safe = ''
  let from = 0
  name.lastIndex = 0
  for (let match = name.exec(text); match !== null; match = name.exec(text)) {
    if (!SECRET_NAME.test(match[1]!)) continue
    const begin = name.lastIndex
    value.lastIndex = begin
    const end = value.test(text) ? value.lastIndex : begin
    if (end === begin) continue
    safe += text.slice(from, begin) + (text[begin] === '"' ? `"${MASK}"` : MASK)
    from = end
    name.lastIndex = end
  }
  return safe + text.slice(from)
}

/** The user of a URL in a hint, which says what to write there: `sftp://USER@HOST/PATH`. */
const PLACEHOLDER = /^(?:USER|ACCOUNT|KEY)(?::(?:PASSWORD|KEY|SECRET))?@[^@]*$/

function maskUserinfos(word: string): string {
  if (!word.includes('@')) return word
  return word.split(URL_BEGIN).map(maskUserinfo).join('')
}

/**
 * Masks the user name and password of the URL at the beginning of `text`. A password may contain an
 * unescaped "/", "?", "#" or "@"; so if the host has a user name, or a colon that no port follows,
 * everything up to the last "@" is masked.
 */
export function maskUserinfo(text: string): string {
  const match = /^([a-z][a-z0-9+.-]+:\/+)([^/?#]*)/i.exec(text)
  const at = text.lastIndexOf('@')
  if (match === null || at < match[1]!.length) return text
  const [, scheme, authority] = match
  if (!authority!.includes('@') && !hasOddColon(authority!)) return text
  if (PLACEHOLDER.test(text.slice(scheme!.length))) return text
  return `${scheme}${MASK}${text.slice(at)}`
}

/**
 * Whether the colon in `authority` is not followed by a port: then it may separate a user name from
 * a password.
 */
export function hasOddColon(authority: string): boolean {
  if (authority.startsWith('arn:')) return false
  return !/^(\[[0-9a-fA-F:.]*\]|[^:]*)(:[0-9]*)?$/.test(authority)
}
