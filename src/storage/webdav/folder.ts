import { LitestreamError } from '../../errors.js'
import { LISTING_TIMEOUT } from '../listing.js'
import { PacedBody } from '../paced-body.js'
import { statusError, unconfirmed } from './errors.js'
import { type DavResource, MultistatusFault, parseMultistatus } from './multistatus.js'
import type { Reply, Subject, WebdavRequests } from './requests.js'

/** Entries of one folder, those of other programs included, after which its listing is given up. */
const MAX_ENTRIES = 4_000_000

const PROPERTIES = Buffer.from(
  '<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop>' +
    '<resourcetype/><getcontentlength/><getlastmodified/><getetag/></prop></propfind>',
)

export interface FolderResource extends DavResource {
  /** Decoded. */
  readonly name: string
}

/**
 * What `wanted` accepts in a folder, in no order; undefined if the server says that there is no
 * such folder. Only what is wanted is kept in memory.
 */
export function entriesOf(
  requests: WebdavRequests,
  subject: Subject,
  wanted: (entry: FolderResource) => boolean,
): Promise<FolderResource[] | undefined> {
  return requests.retried(subject, async () => {
    const reply = await requests.open(subject, {
      method: 'PROPFIND',
      path: `${subject.path}/`,
      headers: { depth: '1', 'content-type': 'application/xml; charset=utf-8' },
      body: { size: PROPERTIES.length, open: () => [PROPERTIES] },
      accept: [207, 404],
    })
    if (reply.status === 404) {
      reply.body.resume()
      return undefined
    }
    return readEntries(requests, subject, reply, wanted)
  })
}

async function readEntries(
  requests: WebdavRequests,
  subject: Subject,
  { body }: Reply,
  wanted: (entry: FolderResource) => boolean,
): Promise<FolderResource[]> {
  const target = requests.target(subject.path)
  const what = `${subject.doing} ${target}`
  const found: FolderResource[] = []
  let count = 0
  const paced = new PacedBody(
    { chunks: body, cancel: (error) => body.destroy(error), close: async () => void body.destroy() },
    {
      what,
      idleTimeout: requests.policy.idleTimeout,
      allowance: { limit: LISTING_TIMEOUT, waited: 0 },
      signal: subject.signal,
      closing: requests.closing,
      toError: (error) => requests.typed(error, subject),
    },
  )
  try {
    for await (const resource of parseMultistatus(chunksOf(paced))) {
      if (++count > MAX_ENTRIES) throw tooMany(what, target)
      const name = nameOf(resource.href)
      if (name === undefined) continue
      const entry = { ...resource, name }
      if (wanted(entry)) found.push(entry)
    }
    return found
  } catch (error) {
    if (!(error instanceof MultistatusFault)) throw error
    const { doing } = subject
    if (error.cut) throw unconfirmed({ doing, target }, error.message)
    throw new LitestreamError('STORAGE_FAILED', `${what} failed: ${error.message}`, {
      file: target,
      hint: 'Check the URL: the server, or a proxy before it, does not answer PROPFIND as WebDAV prescribes.',
    })
  } finally {
    await paced.close()
  }
}

async function* chunksOf(paced: PacedBody): AsyncGenerator<Uint8Array> {
  for (let chunk = await paced.next(); chunk !== undefined; chunk = await paced.next()) yield chunk
}

/**
 * The last segment; a server behind a proxy may know other ones before it. Undefined for the root.
 */
function nameOf(href: string): string | undefined {
  const path = href.replace(/^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^/]*/, '').replace(/\/+$/, '')
  const last = path.slice(path.lastIndexOf('/') + 1)
  if (last === '') return undefined
  try {
    return decodeURIComponent(last)
  } catch {
    return last // no name of ours
  }
}

/** Makes a folder and those above it, as far as they are missing. */
export async function makeFolders(requests: WebdavRequests, subject: Subject, folder: string): Promise<void> {
  if ((await makeFolder(requests, subject, folder)) !== 'no parent') return
  const parent = folder.slice(0, folder.lastIndexOf('/'))
  if (parent !== '') await makeFolders(requests, subject, parent)
  if ((await makeFolder(requests, subject, folder)) === 'no parent') throw noParent(subject, requests.target(folder))
}

function makeFolder(requests: WebdavRequests, subject: Subject, folder: string): Promise<'there' | 'no parent'> {
  return requests.retried(subject, async () => {
    const path = `${folder}/`
    const accept = [200, 201, 204, 301, 403, 405, 409]
    const { status, headers } = await requests.send(subject, { method: 'MKCOL', path, accept })
    if (status === 409) return 'no parent'
    if (status !== 403) return 'there'
    // Apache says so, too, if another client makes the folder at the same moment.
    const probe = { method: 'PROPFIND', path, headers: { depth: '0' }, accept: [207, 403, 404] }
    if ((await requests.send(subject, probe)).status === 207) return 'there'
    throw statusError({ doing: subject.doing, target: requests.target(folder) }, { status, headers })
  })
}

function noParent({ doing }: Subject, target: string): LitestreamError {
  return new LitestreamError('NOT_FOUND', `${doing} ${target} failed: the server does not let the folder be made`, {
    file: target,
    hint: 'Check the path of the replica: it must begin with a folder that the server serves with WebDAV.',
  })
}

function tooMany(what: string, target: string): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `${what} failed: more than ${MAX_ENTRIES} entries`, {
    file: target,
    hint: 'Move the files of other programs to another folder, or replicate to a new path.',
  })
}
