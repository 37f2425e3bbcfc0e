/** A resource as a multistatus reply to PROPFIND describes it. */
export interface DavResource {
  /** As sent: percent-encoded, a path or a URL. */
  readonly href: string
  readonly isCollection: boolean
  /** Bytes; NaN if the server does not report it. */
  readonly size: number
  /** Milliseconds since the epoch; NaN if the server does not report it. */
  readonly modifiedAt: number
  readonly etag: string | undefined
}

/** Why a reply is not taken for a multistatus. */
export class MultistatusFault extends Error {
  override readonly name = 'MultistatusFault'
  /** Whether a retry may get a complete reply, because this one was truncated. */
  readonly cut: boolean

  constructor(message: string, cut = false) {
    super(message)
    this.cut = cut
  }
}

/** Characters of one tag, one text or one attribute. */
const MAX_TOKEN = 64 * 1024
const MAX_DEPTH = 32

const DAV = 'DAV:'
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** The tokens of the tokenizer. */
type Token =
  | { readonly type: 'open'; readonly text: string; readonly closed: boolean }
  | { readonly type: 'close'; readonly text: string }
  | { readonly type: 'text'; readonly text: string }

/**
 * The resources of a multistatus (RFC 4918, section 13), each as soon as its end tag is read:
 * neither the response nor its tree is kept in memory. Accepts the subset of XML that such
 * responses use: elements, attributes, namespaces, text, CDATA, comments, the XML declaration and
 * the five entities. A document type, any other entity, another encoding than UTF-8, and a tag or a
 * text of more than 64 Ki characters are a MultistatusFault, as is a reply that ends too early or
 * that reports that resources are missing from it.
 */
export async function* parseMultistatus(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<DavResource, void> {
  const tokenizer = new Tokenizer()
  const reader = new MultistatusReader()
  for await (const chunk of chunks) {
    for (const token of tokenizer.take(chunk)) {
      const resource = reader.take(token)
      if (resource !== undefined) yield resource
    }
  }
  if (!reader.ended || !tokenizer.isEmpty) throw new MultistatusFault('the listing ends in the middle', true)
}

/** Cuts the text of a document into tags and texts. */
class Tokenizer {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  /** The beginning of a token whose end has not come yet. */
  #rest = ''

  get isEmpty(): boolean {
    return this.#rest.trim() === ''
  }

  *take(chunk: Uint8Array): Generator<Token> {
    const text = this.#rest + this.#decode(chunk)
    let at = 0
    for (let end = tokenEnd(text, at); end !== undefined; end = tokenEnd(text, at)) {
      const token = tokenOf(text.slice(at, end))
      at = end
      if (token !== undefined) yield token
    }
    this.#rest = text.slice(at)
    if (this.#rest.length > MAX_TOKEN) {
      throw new MultistatusFault(`a tag or a text has more than ${MAX_TOKEN} characters`)
    }
  }

  #decode(chunk: Uint8Array): string {
    try {
      return this.#decoder.decode(chunk, { stream: true })
    } catch {
      throw new MultistatusFault('the reply is not UTF-8')
    }
  }
}

/** Where the token that begins at `at` ends; undefined if that has not come yet. */
function tokenEnd(text: string, at: number): number | undefined {
  if (at >= text.length) return undefined
  if (text[at] !== '<') return found(text.indexOf('<', at))
  const until = (mark: string) => {
    const end = text.indexOf(mark, at)
    return end < 0 ? undefined : end + mark.length
  }
  const begin = text.slice(at, at + 9)
  if (begin.startsWith('<!--')) return until('-->')
  if (begin.startsWith('<![CDATA[')) return until(']]>')
  if (begin.startsWith('<?')) return until('?>')
  if (begin.startsWith('<!')) {
    // Too short to distinguish a comment or CDATA from a document type.
    if ('<!--'.startsWith(begin) || '<![CDATA['.startsWith(begin)) return undefined
    throw new MultistatusFault('the reply has a document type')
  }
  // A ">" may stand in the value of an attribute.
  let quote: string | undefined
  for (let i = at + 1; i < text.length; i++) {
    const each = text[i]!
    if (quote !== undefined) {
      if (each === quote) quote = undefined
    } else if (each === '"' || each === "'") quote = each
    else if (each === '>') return i + 1
    else if (each === '<') throw new MultistatusFault('a tag is not closed')
  }
  return undefined
}

function found(index: number): number | undefined {
  return index < 0 ? undefined : index
}

/** Undefined for a comment and the XML declaration. */
function tokenOf(text: string): Token | undefined {
  if (text.length > MAX_TOKEN) throw new MultistatusFault(`a tag or a text has more than ${MAX_TOKEN} characters`)
  if (text.startsWith('<![CDATA[')) return { type: 'text', text: text.slice(9, -3) }
  if (text.startsWith('<!--')) return undefined
  if (text.startsWith('<?')) {
    const encoding = /^<\?xml\s[^>]*encoding\s*=\s*["']([^"']*)/i.exec(text)?.[1]
    if (encoding !== undefined && !/^(utf-?8|us-ascii)$/i.test(encoding)) {
      throw new MultistatusFault(`the reply has the encoding ${JSON.stringify(encoding.slice(0, 40))}`)
    }
    return undefined
  }
  if (text.startsWith('</')) return { type: 'close', text: text.slice(2, -1).trim() }
  if (!text.startsWith('<')) return { type: 'text', text: withoutEntities(text) }
  const closed = text.endsWith('/>')
  return { type: 'open', text: text.slice(1, closed ? -2 : -1), closed }
}

function withoutEntities(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]+));|&/g, (_, decimal, hex, name) => {
    if (name !== undefined && Object.hasOwn(ENTITIES, name)) return ENTITIES[name]!
    const code = decimal !== undefined ? Number(decimal) : hex !== undefined ? Number.parseInt(hex, 16) : Number.NaN
    if (!(code > 0 && code <= 0x10ffff)) throw new MultistatusFault('the reply has an unknown entity')
    return String.fromCodePoint(code)
  })
}

interface Element {
  /** As written, to compare with the closing tag. */
  readonly tag: string
  /**
   * Local names of the open elements below the root, joined; an element of another namespace than
   * DAV is "?".
   */
  readonly path: string
  readonly scope: ReadonlyMap<string, string>
}

interface Facts {
  size?: number
  modifiedAt?: number
  etag?: string
  isCollection?: boolean
}

/** Follows the elements, and gathers those of the current response. */
class MultistatusReader {
  readonly #open: Element[] = []
  #text = ''
  #href: string | undefined
  #status: number | undefined
  #facts: Facts = {}
  /** The properties of the current propstat: they count only if its status is 200. */
  #found: Facts = {}
  #foundStatus: number | undefined
  ended = false

  take(token: Token): DavResource | undefined {
    switch (token.type) {
      case 'text':
        this.#addText(token.text)
        return undefined
      case 'open': {
        const element = this.#enter(token.text)
        return token.closed ? this.#leave(element.tag) : undefined
      }
      case 'close':
        return this.#leave(token.text)
    }
  }

  #addText(text: string): void {
    if (this.#open.length === 0) {
      if (text.trim() !== '') throw new MultistatusFault('the reply is no XML')
      return
    }
    this.#text += text
    if (this.#text.length > MAX_TOKEN) throw new MultistatusFault(`a text has more than ${MAX_TOKEN} characters`)
  }

  #enter(text: string): Element {
    const tag = /^[^\s/]+/.exec(text)?.[0]
    if (tag === undefined || this.ended) throw new MultistatusFault('the reply is no XML')
    if (this.#open.length >= MAX_DEPTH) throw new MultistatusFault(`elements are nested more than ${MAX_DEPTH} deep`)
    const scope = scopeOf(text, this.#open.at(-1)?.scope)
    const [prefix, local] = tag.includes(':') ? (tag.split(':', 2) as [string, string]) : ['', tag]
    const name = scope.get(prefix) === DAV ? local : '?'
    const outer = this.#open.at(-1)
    if (outer === undefined && name !== 'multistatus') throw new MultistatusFault('the reply is not a listing')
    const path = outer === undefined ? '' : outer.path === '' ? name : `${outer.path}/${name}`
    const element = { tag, path, scope }
    this.#open.push(element)
    this.#text = ''
    if (path === 'response') {
      this.#href = undefined
      this.#status = undefined
      this.#facts = {}
    } else if (path === 'response/propstat') {
      this.#found = {}
      this.#foundStatus = undefined
    }
    return element
  }

  #leave(tag: string): DavResource | undefined {
    const element = this.#open.pop()
    if (element?.tag !== tag) throw new MultistatusFault('a tag is not closed')
    if (this.#open.length === 0) this.ended = true
    const text = this.#text.trim()
    this.#text = ''
    switch (element.path) {
      case 'response/href':
        this.#href = text
        break
      case 'response/status':
        this.#status = statusOf(text)
        break
      case 'response/propstat/status':
        this.#foundStatus = statusOf(text)
        break
      case 'response/propstat/prop/getcontentlength':
        this.#found.size = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
        break
      case 'response/propstat/prop/getlastmodified':
        this.#found.modifiedAt = Date.parse(text)
        break
      case 'response/propstat/prop/getetag':
        this.#found.etag = text
        break
      case 'response/propstat/prop/resourcetype/collection':
        this.#found.isCollection = true
        break
      case 'response/propstat':
        if (this.#foundStatus === undefined || (this.#foundStatus >= 200 && this.#foundStatus < 300)) {
          Object.assign(this.#facts, this.#found)
        }
        break
      case 'response':
        return this.#resource()
    }
    return undefined
  }

  /**
   * A resource that was deleted during the listing has the status 404; any other error means that
   * something is missing.
   */
  #resource(): DavResource | undefined {
    if (this.#status === 404 || this.#status === 410) return undefined
    if (this.#status !== undefined && this.#status >= 300) {
      throw new MultistatusFault(`the listing is not complete: HTTP ${this.#status} for a resource in it`)
    }
    if (this.#href === undefined) throw new MultistatusFault('a response has no href')
    const { size = Number.NaN, modifiedAt = Number.NaN, etag, isCollection = false } = this.#facts
    return { href: this.#href, isCollection, size, modifiedAt, etag }
  }
}

function statusOf(text: string): number {
  return Number(/^HTTP\/[\d.]+ (\d{3})/.exec(text)?.[1] ?? Number.NaN)
}

/** The prefixes in force inside an element. */
function scopeOf(tag: string, outer: ReadonlyMap<string, string> | undefined): ReadonlyMap<string, string> {
  if (outer !== undefined && !tag.includes('xmlns')) return outer
  const scope = new Map(outer)
  for (const [, prefix = '', double, single] of tag.matchAll(/\sxmlns(?::([^\s=]+))?\s*=\s*(?:"([^"]*)"|'([^']*)')/g)) {
    scope.set(prefix, withoutEntities(double ?? single ?? ''))
  }
  return scope
}
