import { LitestreamError } from '../../errors.js'
import { LISTING_TIMEOUT } from '../listing.js'
import { PacedBody } from '../paced-body.js'
import { unconfirmed } from '../unconfirmed.js'
import { statusError } from './errors.js'
import { type DavResource, MultistatusFault, parseMultistatus } from './multistatus.js'
import type { Reply, Subject, WebdavRequests } from './requests.js'

/** Maximum number of entries of a folder in a listing, including files of other programs. */
const MAX_ENTRIES = 4_000_000

const PROPERTIES = Buffer.from(
  '<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop>' +
    '<resourcetype/><getcontentlength/><getlastmodified/><getetag/></prop></propfind>',
)

export interface FolderResource extends DavResource {
  /** Name of the entry, percent-decoded. */
  readonly name: string
  /**
   * Number of names in the entry's path. The path of the folder itself has one name less than the
   * paths of its entries, which distinguishes the folder from them.
   */
  readonly depth: number
}

/**
 * Returns the entries of a folder that `wanted` accepts, in no particular order. Returns undefined
 * if the folder does not exist. Memory holds only the accepted entries.
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
      const place = placeOf(resource.href)
      if (place === undefined) continue
      const entry = { ...resource, ...place }
      if (wanted(entry)) found.push(entry)
    }
    return found
  } catch (error) {
    if (!(error instanceof MultistatusFault)) throw error
    const { doing } = subject
    if (error.cut) throw unconfirmed(`${doing} ${target}`, error.message, target)
    throw new LitestreamError('STORAGE_FAILED', `${what} failed: ${error.message}`, {
      file: target,
      hint: 'Check the replica URL: the server, or a proxy in front of the server, does not answer PROPFIND requests as WebDAV prescribes.',
    })
  } finally {
    await paced.close()
  }
}

async function* chunksOf(paced: PacedBody): AsyncGenerator<Uint8Array> {
  for (let chunk = await paced.next(); chunk !== undefined; chunk = await paced.next()) yield chunk
}

/**
 * Returns the last name of a path, and the number of names in the path. The number is needed
 * because a server behind a proxy may put other names before the path that the client knows.
 * Returns undefined for the path of the root.
 */
function placeOf(href: string): { readonly name: string; readonly depth: number } | undefined {
  const names = href
    .replace(/^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^/]*/, '')
    .split('/')
    .filter((name) => name !== '')
  const last = names.at(-1)
  if (last === undefined) return undefined
  try {
    return { name: decodeURIComponent(last), depth: names.length }
  } catch {
    return { name: last, depth: names.length } // no name of ours
  }
}

/**
 * Returns the names of the subfolders of a folder, or undefined if the folder does not exist. Omits
 * names that lead out of the folder, which no server should send.
 */
export async function foldersIn(requests: WebdavRequests, subject: Subject): Promise<string[] | undefined> {
  const found = await entriesOf(requests, subject, ({ isCollection }) => isCollection)
  if (found === undefined) return undefined
  const own = subject.path.slice(subject.path.lastIndexOf('/') + 1)
  const top = Math.min(...found.map(({ depth }) => depth))
  return found
    .filter(({ name, depth }) => !(depth === top && name === own) && !/^\.\.?$|[/\0]/.test(name))
    .map(({ name }) => name)
}

/** Creates a folder and all missing folders above it. */
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
    // Apache responds to MKCOL with status 403 if another client creates the folder at the same
    // moment.
    const probe = { method: 'PROPFIND', path, headers: { depth: '0' }, accept: [207, 403, 404] }
    if ((await requests.send(subject, probe)).status === 207) return 'there'
    throw statusError({ doing: subject.doing, target: requests.target(folder) }, { status, headers })
  })
}

function noParent({ doing }: Subject, target: string): LitestreamError {
  return new LitestreamError('NOT_FOUND', `${doing} ${target} failed: the server refuses to create the folder`, {
    file: target,
    hint: 'Check the path of the replica, which must begin with a folder that the server serves with WebDAV.',
  })
}

function tooMany(what: string, target: string): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `${what} failed: more than ${MAX_ENTRIES} entries`, {
    file: target,
    hint: 'Move files that do not belong to the replica to another folder, or replicate to another replica URL.',
  })
}
