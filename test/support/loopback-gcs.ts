import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { cleanUp } from './clean-up.js'

/** A request that the store received. */
export interface GcsRequest {
  readonly kind: 'LIST' | 'GET' | 'HEAD' | 'DELETE' | 'MULTIPART' | 'BEGIN' | 'PIECE' | 'QUERY' | 'ABANDON' | 'TOKEN'
  /** The name of the object, if the URL contains one. */
  readonly name: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

interface GcsObject {
  readonly body: Buffer
  readonly generation: number
  readonly metadata: Readonly<Record<string, string>> | undefined
}

interface Session {
  readonly description: { readonly name: string; readonly metadata?: Record<string, string> }
  readonly ifGenerationMatch: string | null
  stored: Buffer
}

/**
 * Answers the request itself and returns true, or returns false so that the store answers.
 * `carryOut` does what the store would do, without sending a response.
 */
export type GcsBehaviour = (request: GcsRequest, response: ServerResponse, carryOut: () => void) => boolean

export interface LoopbackGcs {
  readonly endpoint: string
  readonly objects: Map<string, GcsObject>
  readonly sessions: Map<string, Session>
  readonly seen: GcsRequest[]
  /** Tokens that the store takes; undefined: it asks for none. */
  tokens: Set<string> | undefined
  behave(behaviour: GcsBehaviour): void
  /** The replica URL of `path` in the bucket "bucket-1". */
  url(path?: string): string
}

const BUCKET = 'bucket-1'
const TIME = '2026-01-02T03:04:05.678Z'

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | object | undefined
}

/**
 * A bucket of Google Cloud Storage in memory, on 127.0.0.1, with all preconditions, resumable
 * uploads and bearer tokens, whose misbehaviour a test selects. It knows what clients of this
 * project send to the JSON API. `/token` is a token server of workload identity.
 */
export async function loopbackGcs(t: Pick<TestContext, 'after'>): Promise<LoopbackGcs> {
  let behaviour: GcsBehaviour = () => false
  let generation = 1000
  const server = createServer((req, res) => void respond(req, res).catch(() => res.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUp(t, () => {
    server.closeAllConnections()
    server.close()
  })
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const store: LoopbackGcs = {
    endpoint,
    objects: new Map(),
    sessions: new Map(),
    seen: [],
    tokens: undefined,
    behave: (next) => {
      behaviour = next
    },
    url: (path = 'app.db') => `gs://${BUCKET}/${path}?endpoint=${encodeURIComponent(endpoint)}`,
  }

  async function respond(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const request = await parse(req)
    store.seen.push(request)
    if (behaviour(request, res, () => void answer(request))) return
    const { status, headers = {}, body } = answer(request)
    const bytes = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body))
    res.writeHead(status, { ...(bytes && { 'content-length': bytes.byteLength }), ...headers })
    res.end(bytes)
  }

  function answer(request: GcsRequest): Answer {
    const { kind, headers, query, name } = request
    if (kind === 'TOKEN') return token(request)
    if (store.tokens !== undefined && !store.tokens.has(`${headers.authorization}`.replace('Bearer ', ''))) {
      return failure(401, 'authError', 'Invalid Credentials')
    }
    const object = store.objects.get(name)
    if (kind === 'LIST') return list(query)
    if (kind === 'MULTIPART' || kind === 'BEGIN') return write(request)
    if (kind === 'PIECE' || kind === 'QUERY' || kind === 'ABANDON') return continued(request)
    if (object === undefined) return failure(404, 'notFound', `No such object: ${BUCKET}/${name}`)
    const expected = query.get('ifGenerationMatch')
    if (expected !== null && expected !== String(object.generation)) return notMet()
    if (kind === 'HEAD') return { status: 200, body: described(name, object) }
    if (kind === 'DELETE') {
      store.objects.delete(name)
      return { status: 204 }
    }
    return media(object, `${headers.range}`)
  }

  function token({ body }: GcsRequest): Answer {
    const subject = new URLSearchParams(body.toString()).get('subject_token')
    const access_token = `token-for-${subject}`
    store.tokens?.add(access_token)
    const issued_token_type = 'urn:ietf:params:oauth:token-type:access_token'
    return { status: 200, body: { access_token, issued_token_type, token_type: 'Bearer', expires_in: 3600 } }
  }

  function list(query: URLSearchParams): Answer {
    const after = query.get('pageToken') ?? ''
    const names = [...store.objects.keys()]
      .filter((name) => name.startsWith(query.get('prefix') ?? '') && name >= (query.get('startOffset') ?? ''))
      .filter((name) => name > after)
      .sort()
    const page = names.slice(0, Number(query.get('maxResults') ?? 1000))
    const items = page.map((name) => described(name, store.objects.get(name)!))
    const nextPageToken = page.length < names.length ? page.at(-1) : undefined
    return {
      status: 200,
      body: { kind: 'storage#objects', items: items.length > 0 ? items : undefined, nextPageToken },
    }
  }

  function write({ kind, query, body, headers }: GcsRequest): Answer {
    const ifGenerationMatch = query.get('ifGenerationMatch')
    if (kind === 'BEGIN') {
      const id = String(generation++)
      store.sessions.set(id, { description: JSON.parse(body.toString()), ifGenerationMatch, stored: Buffer.alloc(0) })
      return { status: 200, headers: { location: `${endpoint}/upload/session?upload_id=${id}` } }
    }
    const [, boundary] = /boundary=(.+)$/.exec(`${headers['content-type']}`)!
    const [, first = '', second = ''] = body.toString('latin1').split(`--${boundary}`)
    const content = (part: string) => part.slice(part.indexOf('\r\n\r\n') + 4, -2)
    return finish(JSON.parse(content(first)), Buffer.from(content(second), 'latin1'), ifGenerationMatch)
  }

  function continued({ kind, query, headers, body }: GcsRequest): Answer {
    const id = query.get('upload_id')!
    const session = store.sessions.get(id)
    if (session === undefined) return failure(410, 'gone', 'the session is gone')
    if (kind === 'ABANDON') {
      store.sessions.delete(id)
      return { status: 499 }
    }
    const [, start, , total] = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(`${headers['content-range']}`)!
    if (start !== undefined) {
      if (Number(start) !== session.stored.byteLength) return failure(400, 'invalid', 'the piece is at the wrong place')
      session.stored = Buffer.concat([session.stored, body])
      if (total === '*' && session.stored.byteLength % (256 * 1024) !== 0) return failure(400, 'invalid', 'odd length')
    }
    if (total !== '*' && session.stored.byteLength === Number(total)) {
      store.sessions.delete(id)
      return finish(session.description, session.stored, session.ifGenerationMatch)
    }
    const range = session.stored.byteLength > 0 ? { range: `bytes=0-${session.stored.byteLength - 1}` } : undefined
    return { status: 308, ...(range && { headers: range }) }
  }

  function finish({ name, metadata }: Session['description'], body: Buffer, expected: string | null): Answer {
    const current = store.objects.get(name)?.generation ?? 0
    if (expected !== null && Number(expected) !== current) return notMet()
    const object = { body, generation: generation++, metadata }
    store.objects.set(name, object)
    return { status: 200, body: described(name, object) }
  }
  return store
}

async function parse(req: IncomingMessage): Promise<GcsRequest> {
  const { pathname, searchParams: query } = new URL(req.url!, 'http://x')
  const name = decodeURIComponent(/^\/storage\/v1\/b\/[^/]+\/o\/(.*)$/.exec(pathname)?.[1] ?? '')
  return { kind: kindOf(req, pathname, query), name, query, headers: req.headers, body: await buffer(req) }
}

function kindOf(req: IncomingMessage, pathname: string, query: URLSearchParams): GcsRequest['kind'] {
  if (pathname === '/token') return 'TOKEN'
  if (req.method === 'DELETE') return query.has('upload_id') ? 'ABANDON' : 'DELETE'
  if (req.method === 'PUT') return `${req.headers['content-range']}`.startsWith('bytes *') ? 'QUERY' : 'PIECE'
  if (req.method === 'POST') return query.get('uploadType') === 'resumable' ? 'BEGIN' : 'MULTIPART'
  if (pathname.endsWith('/o')) return 'LIST'
  return query.get('alt') === 'media' ? 'GET' : 'HEAD'
}

function described(name: string, { body, generation, metadata }: GcsObject): object {
  return { name, size: String(body.byteLength), generation: String(generation), timeCreated: TIME, metadata }
}

function media({ body, generation }: GcsObject, range: string): Answer {
  const headers = { 'x-goog-generation': String(generation) }
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? []
  const start = first === '' ? Math.max(0, body.byteLength - Number(last)) : Number(first)
  const end = first === '' || last === '' ? body.byteLength : Math.min(body.byteLength, Number(last) + 1)
  if (start >= body.byteLength) return failure(416, 'requestedRangeNotSatisfiable', 'Request range not satisfiable')
  const contentRange = `bytes ${start}-${end - 1}/${body.byteLength}`
  return { status: 206, headers: { ...headers, 'content-range': contentRange }, body: body.subarray(start, end) }
}

export function failure(code: number, reason: string, message: string): Answer {
  return { status: code, body: { error: { code, message, errors: [{ reason, message, domain: 'global' }] } } }
}

function notMet(): Answer {
  return failure(412, 'conditionNotMet', 'At least one of the pre-conditions you specified did not hold.')
}
