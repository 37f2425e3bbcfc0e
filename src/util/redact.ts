/** The text that replaces a secret. */
export const MASK = '***'

/**
 * Minimum length of a secret that is masked. Values shorter than SHORTEST are often ordinary words.
 * Masking ordinary words would make messages unreadable and protect nothing.
 */
const SHORTEST = 4
/**
 * A secret shorter than WHOLE_WORD_BELOW is masked only as a whole word. The password "data"
 * therefore leaves "database" readable.
 */
const WHOLE_WORD_BELOW = 8
/**
 * Maximum number of secrets that a thread remembers. The thread drops the oldest secret first.
 * Without this limit, a process whose credentials change regularly would use more and more memory.
 */
const REMEMBERED = 1000

/**
 * The secrets that this thread masks. Each secret is stored in every spelling in which another
 * package might print the secret.
 */
const known = new Map<string, readonly string[]>()
let pattern: RegExp | undefined

/** After this call, `withoutSecrets` masks `value` on this thread. */
export function rememberSecret(value: string): void {
  if (value.length < SHORTEST || known.has(value)) return
  known.set(value, spellings(value))
  if (known.size > REMEMBERED) known.delete(known.keys().next().value!)
  pattern = undefined
}

/**
 * Returns the spellings of a secret. The spellings are the secret itself, its percent-encoded
 * forms, its JSON form and its base64 form.
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

/** Pattern of the names of parameters, fields and headers whose values are secret. */
const SECRET_NAME = new RegExp(
  [
    'secret|passw|passphrase|pwd|token|signature|credential|jwt|nkey|seed|creds',
    'api[-_]?key|access[-_]?key(?![-_]?id)|account[-_]?key|private[-_]?key|customer[-_]?key(?![-_]?(?:path|md5))',
  ].join('|'),
  'i',
)

/**
 * Patterns of a value that follows the name of a secret. The first group of the pattern `name` is
 * the name. The name begins at a word boundary. The pattern `value` matches the text after the
 * name.
 */
const NAMED: readonly { readonly name: RegExp; readonly value: RegExp }[] = [
  // Matches name=value, as in a query, a connection string or an environment variable.
  { name: /(?<![\w.-])([\w.-]{1,100})=/g, value: /"[^"]*"|'[^']*'|[^\s&"'<>]+/y },
  // Matches "name": "value", as in JSON.
  { name: /"([\w.-]{1,100})"\s{0,4}:\s{0,4}/g, value: /"(?:[^"\\]|\\.)*"|[^\s,}\]]+/y },
  // Matches a command line option that is followed by its value as the next word.
  { name: /(?<=\s)(--?[\w-]{1,100})\s{1,4}/g, value: /[^\s-]\S*/y },
]

/** Patterns of values whose form shows that they are secret. */
const FORMS: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic|AWS4-HMAC-SHA256)\s{1,4}[^\s"',]+(?:,\s{0,4}\w{1,40}=[^\s,"']+)*/g, `$1 ${MASK}`],
  [/(?<![\w-])eyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, MASK], // a JWT
  [/\bS[ACNOUX][A-Z2-7]{40,}\b/g, MASK], // the seed of an NKey
  [/-----BEGIN ([A-Z ]{0,20}PRIVATE KEY|NATS USER JWT|USER NKEY SEED)-----[\s\S]*?(?:-{3,}END \1-{3,}|$)/g, MASK],
]

/**
 * Pattern of the beginning of a URL. A URL may have only one slash after the scheme, because
 * `path.resolve` may have treated the URL as a path.
 */
const URL_BEGIN = /(?<![a-z0-9+.-])(?=[a-z][a-z0-9+.-]{1,40}:\/)/i

/**
 * Maximum number of characters of a text from which secrets are removed. A longer text is truncated
 * first. Without this limit, the time to mask an error message of a store would grow with its length.
 */
const MOST_CHARACTERS = 16_384

/**
 * Masks everything in `text` that is a secret or looks like a secret. Secrets are the values of all
 * Secret objects of this thread, user names and passwords of URLs, secret parameters, and tokens.
 * Callers use withoutSecrets() for text from other sources, such as the message of an SDK's error.
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

/** Masks each value that follows the name of a secret parameter, field or option. */
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

/**
 * Pattern of a placeholder such as USER in `sftp://USER@HOST/PATH`. A hint contains a placeholder
 * instead of a real user.
 */
const PLACEHOLDER = /^(?:USER|ACCOUNT|KEY)(?::(?:PASSWORD|KEY|SECRET))?@[^@]*$/

function maskUserinfos(word: string): string {
  if (!word.includes('@')) return word
  return word.split(URL_BEGIN).map(maskUserinfo).join('')
}

/**
 * Masks the user name and password of the URL at the beginning of `text`. A password may contain an
 * unescaped "/", "?", "#" or "@". If the host has a user name or a colon that no port follows,
 * maskUserinfo() therefore masks everything up to the last "@".
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
 * Whether `authority` has a colon that no port follows, and that may therefore separate a user name
 * and a password.
 */
export function hasOddColon(authority: string): boolean {
  if (authority.startsWith('arn:')) return false
  return !/^(\[[0-9a-fA-F:.]*\]|[^:]*)(:[0-9]*)?$/.test(authority)
}
