/** A file or a folder, as a multistatus response to PROPFIND describes it. */
export interface DavResource {
  /** Percent-encoded path or URL of the resource, as the server sends it. */
  readonly href: string
  readonly isCollection: boolean
  /** Size in bytes, or NaN if the server does not report it. */
  readonly size: number
  /**
   * Time of the last modification in milliseconds since the epoch, or NaN if the server does not
   * report it.
   */
  readonly modifiedAt: number
  readonly etag: string | undefined
}

/** The error for a response that is not a valid multistatus. */
export class MultistatusFault extends Error {
  override readonly name = 'MultistatusFault'
  /** Whether the response is truncated, in which case a retry may get the complete response. */
  readonly cut: boolean

  constructor(message: string, cut = false) {
    super(message)
    this.cut = cut
  }
}

/** Maximum number of characters of one tag, text or attribute in a multistatus. */
const MAX_TOKEN = 64 * 1024
const MAX_DEPTH = 32

const DAV = 'DAV:'
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** The tokens that the tokenizer of a multistatus yields. */
type Token =
  | { readonly type: 'open'; readonly text: string; readonly closed: boolean }
  | { readonly type: 'close'; readonly text: string }
  | { readonly type: 'text'; readonly text: string }

/**
 * Parses a multistatus (RFC 4918, section 13) and yields each resource as soon as it has read the
 * end tag of the resource. Keeps neither the response nor its tree in memory. Accepts the subset of
 * XML that multistatus responses use: elements, attributes, namespaces, text, CDATA, comments, the
 * XML declaration, character references and the five entities. Throws MultistatusFault for four
 * kinds of content: a document type, any other entity, an encoding other than UTF-8, and a tag or a
 * text of more than 64 Ki characters. Also throws MultistatusFault for a response that ends too
 * early, and for a response that says that it is incomplete.
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

/** Divides the text of a document into tags and texts. */
class Tokenizer {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  /** The beginning of a token whose end has not yet arrived. */
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

/**
 * Returns the end of the token that begins at `at`, or undefined if the end has not arrived yet.
 */
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
    // The text is too short to distinguish a comment or CDATA from a document type.
    if ('<!--'.startsWith(begin) || '<![CDATA['.startsWith(begin)) return undefined
    throw new MultistatusFault('the reply has a document type')
  }
  // The value of an attribute may contain a ">". A ">" inside a quoted value does not end the tag.
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

/** Converts text to a token. Returns undefined for a comment and for the XML declaration. */
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
  /** The tag of the element as written. The closing tag must repeat this text exactly. */
  readonly tag: string
  /**
   * The local names of the open elements below the root, separated by slashes. The name of an
   * element that is not in the namespace DAV is "?".
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

/** Follows the elements of a multistatus, and collects the data of the current response element. */
class MultistatusReader {
  readonly #open: Element[] = []
  #text = ''
  #href: string | undefined
  #status: number | undefined
  #facts: Facts = {}
  /**
   * The properties of the current propstat element. The properties are used only if the status of
   * the propstat is 2xx or missing.
   */
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
      if (text.trim() !== '') throw new MultistatusFault('the reply is not XML')
      return
    }
    this.#text += text
    if (this.#text.length > MAX_TOKEN) throw new MultistatusFault(`a text has more than ${MAX_TOKEN} characters`)
  }

  #enter(text: string): Element {
    const tag = /^[^\s/]+/.exec(text)?.[0]
    if (tag === undefined || this.ended) throw new MultistatusFault('the reply is not XML')
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
   * Returns the resource of a response element. Returns undefined for the status 404, because the
   * resource was deleted during the listing. Throws for any other error status, because the listing
   * is then incomplete.
   */
  #resource(): DavResource | undefined {
    if (this.#status === 404 || this.#status === 410) return undefined
    if (this.#status !== undefined && this.#status >= 300) {
      throw new MultistatusFault(
        `the listing is not complete: the server reports HTTP ${this.#status} for a resource of the listing`,
      )
    }
    if (this.#href === undefined) throw new MultistatusFault('a response has no href')
    const { size = Number.NaN, modifiedAt = Number.NaN, etag, isCollection = false } = this.#facts
    return { href: this.#href, isCollection, size, modifiedAt, etag }
  }
}

function statusOf(text: string): number {
  return Number(/^HTTP\/[\d.]+ (\d{3})/.exec(text)?.[1] ?? Number.NaN)
}

/** Returns the namespace prefixes that are valid inside an element with the tag `tag`. */
function scopeOf(tag: string, outer: ReadonlyMap<string, string> | undefined): ReadonlyMap<string, string> {
  if (outer !== undefined && !tag.includes('xmlns')) return outer
  const scope = new Map(outer)
  for (const [, prefix = '', double, single] of tag.matchAll(/\sxmlns(?::([^\s=]+))?\s*=\s*(?:"([^"]*)"|'([^']*)')/g)) {
    scope.set(prefix, withoutEntities(double ?? single ?? ''))
  }
  return scope
}
