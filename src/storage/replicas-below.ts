import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { type OpenReplicaClientOptions, openReplicaClient } from './open.js'
import { redactUrl } from './shown-url.js'

/** Maximum number of replicas that replicasBelow() returns for one URL. */
const MAX_REPLICAS = 10_000
/** Linux's maximum length of a file name and of a path, in bytes. */
const MAX_NAME = 255
const MAX_PATH = 4000

/**
 * Yields the paths of the replicas at and below `url`, relative to `url`. The caller must check the
 * paths, because the store determines them. Throws INVALID_ARGUMENT if the store cannot list
 * replicas, and errors of the store.
 */
export async function* eachReplicaBelow(url: string, options: OpenReplicaClientOptions = {}): AsyncGenerator<string> {
  // eachReplicaBelow() disables encryption, because listing folders needs no keys.
  const client = await openReplicaClient(url, { ...options, encryption: false })
  try {
    if (!client.replicas) {
      throw new LitestreamError('INVALID_ARGUMENT', `a ${client.type} store cannot list the replicas below a URL`, {
        file: client.url,
        hint: 'Give the URL of each replica in a command of its own, such as `litestream-ts restore -o FILE URL`.',
      })
    }
    yield* client.replicas(options.signal ? { signal: options.signal } : {})
  } finally {
    await client.close()
  }
}

/**
 * Returns the paths of the replicas at and below `url`, relative to `url`. The caller must check
 * the paths with `nameFault`. Throws the errors of `eachReplicaBelow`, and STORAGE_FAILED if the
 * store has more than 10,000 replicas at and below `url`.
 */
export async function replicasBelow(url: string, options: OpenReplicaClientOptions = {}): Promise<string[]> {
  const found: string[] = []
  for await (const relative of eachReplicaBelow(url, options)) {
    found.push(relative)
    if (found.length > MAX_REPLICAS) {
      throw new LitestreamError('STORAGE_FAILED', `${redactUrl(url)} has more than ${MAX_REPLICAS} replicas below it`, {
        hint: 'Give a URL with a longer prefix, below which there are fewer replicas.',
      })
    }
  }
  return found.sort()
}

/**
 * Returns the reason why a text is not a relative path with "/" as separator, or undefined for such
 * a path. The returned reason is a phrase for the end of a sentence. Absolute paths, and paths that
 * lead out of the folder, count as faults.
 */
export function relativePathFault(relative: string): string | undefined {
  if (relative.includes('\0') || relative.includes('\ufffd')) return 'has a character that no file name can have'
  if (path.sep !== '/' && relative.includes(path.sep)) return `contains ${path.sep}`
  if (Buffer.byteLength(relative) > MAX_PATH) return `is longer than ${MAX_PATH} bytes`
  const names = relative.split('/')
  if (names.some((name) => name === '' || name === '.' || name === '..')) return 'leads out of the folder'
  if (names.some((name) => Buffer.byteLength(name) > MAX_NAME)) return `has a name of more than ${MAX_NAME} bytes`
  return undefined
}

/**
 * Returns the reason why a path that a store reported cannot be the path of a database below a
 * folder. The returned reason is a phrase for the end of a sentence. For a valid path, nameFault()
 * returns undefined. Invalid are a path that leads out of the folder, and the name of a file that
 * SQLite or litestream-ts reads beside a database.
 */
export function nameFault(relative: string): string | undefined {
  const fault = relativePathFault(relative)
  if (fault !== undefined) return fault
  if (/-(?:wal|shm|journal)$/.test(relative)) return 'is the name of a file that SQLite keeps beside a database'
  if (relative.split('/').some((name) => name.endsWith('-litestream'))) return 'has the name of a state folder'
  return undefined
}
