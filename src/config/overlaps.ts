import { LitestreamError } from '../errors.js'
import { type Claim, PathClaims } from '../fs/path-claims.js'
import { claimedPaths, describeOverlap, OVERLAP_HINT } from '../primary/claimed-paths.js'
import { parseReplicaUrl } from '../storage/url.js'
import { reveal } from '../util/secret.js'
import type { Config, DatabaseConfig, DirectoryConfig, MirrorConfig, ReplicaConfig } from './types.js'

/**
 * The paths and replicas to which the databases of one process write. The paths and replicas of two
 * databases must not overlap.
 */
export class ClaimedPlaces {
  readonly #paths = new PathClaims()
  /**
   * Each key is a location in a store, and its value is the path of the database that is replicated
   * to this location.
   */
  readonly #replicas = new Map<string, string>()
  readonly #file: string | undefined

  /**
   * Registers the path of the control socket. Throws CONFIG_INVALID if the paths of a directory
   * entry overlap.
   */
  constructor(config: Config) {
    this.#file = config.file
    if (config.socket.enabled) {
      const { path } = config.socket
      this.#paths.add('socket', [{ path, tree: false, what: 'the control socket' }])
    }
    for (const directory of config.directories) this.#checkDirectory(directory)
  }

  /**
   * Registers the paths and replicas to which a replicated database writes. If a path or a replica
   * of the database overlaps with a registered path or replica, throws CONFIG_INVALID and registers
   * nothing.
   */
  add(database: DatabaseConfig): void {
    const { path, metaPath, replica, mirrors } = database
    const places = new Set<string>()
    for (const each of [replica, ...mirrors.map((mirror) => mirror.replica)]) {
      const place = placeOf(each)
      if (place === undefined) continue
      const other = places.has(place) ? path : this.#replicas.get(place)
      if (other !== undefined && (other !== path || places.has(place))) {
        throw this.#error(`${other} and ${path} have the same replica ${each.url}`, path)
      }
      places.add(place)
    }
    const claims = [...claimedPaths(path, replica.url.reveal(), metaPath), ...mirrors.flatMap(mirrorClaims(path))]
    const overlap = this.#paths.add(path, claims)
    if (overlap) throw this.#error(describeOverlap(overlap), path)
    for (const place of places) this.#replicas.set(place, path)
  }

  /** Removes the paths and replicas of a database. */
  remove(path: string): void {
    this.#paths.release(path)
    for (const [place, owner] of this.#replicas) if (owner === path) this.#replicas.delete(place)
  }

  /**
   * Only the folder in `meta-dir` and the folder of the replica URL are compared. Each database of
   * a directory entry gets a folder of its own below both folders.
   */
  #checkDirectory({ dir, metaDir, metaPath, replica }: DirectoryConfig): void {
    const location = parseReplicaUrl(replica.url.reveal())
    const meta = metaDir ?? metaPath
    if (location.type !== 'file' || meta === undefined) return
    const overlap = new PathClaims().add(dir, [
      { path: location.path, tree: true, what: `the replicas of ${dir}` },
      { path: meta, tree: true, what: `the local files (${metaDir ? 'meta-dir' : 'meta-path'}) of ${dir}` },
    ])
    if (overlap) throw this.#error(describeOverlap(overlap), dir)
  }

  #error(message: string, path: string): LitestreamError {
    const hint = /have the same replica/.test(message) ? 'Give each database its own replica URL.' : OVERLAP_HINT
    const place = this.#file === undefined ? '' : `${this.#file}: `
    return new LitestreamError('CONFIG_INVALID', `${place}${message}`, { file: this.#file ?? path, hint })
  }
}

/** Returns the path of the mirror as a claim if the mirror is a local folder. */
const mirrorClaims =
  (database: string) =>
  ({ replica }: MirrorConfig): Claim[] => {
    const location = parseReplicaUrl(replica.url.reveal())
    return location.type === 'file' ? [{ path: location.path, tree: true, what: `a mirror of ${database}` }] : []
  }

/**
 * Throws CONFIG_INVALID for the first configured database whose paths or replica overlap with those
 * of an earlier database.
 */
export function refuseOverlaps(config: Config): void {
  const places = new ClaimedPlaces(config)
  for (const database of config.databases) places.add(database)
}

/**
 * Returns a text that is equal for all URLs of the same location in a store. Returns undefined for
 * a local folder, which is compared by its path instead.
 */
function placeOf(replica: ReplicaConfig): string | undefined {
  const location = parseReplicaUrl(replica.url.reveal())
  const { settings } = replica
  if (location.type === 'file') return undefined
  if (location.type === 'nats') {
    return `nats ${location.server} ${location.bucket ?? settings.bucket ?? ''} ${location.prefix}`
  }
  if (location.type === 'sftp') {
    const user = location.path.startsWith('/') ? '' : (settings.user ?? location.settings.user ?? '')
    return `sftp ${user}@${location.host}:${location.port} ${location.path}`
  }
  if (location.type === 'webdav') return `webdav ${location.origin} ${location.path}`
  if (location.type === 'abs') {
    const account = settings['account-name'] ?? location.settings.accountName ?? ''
    const address = reveal(settings.endpoint ?? location.settings.endpoint ?? '')
    return `abs ${account} ${address.replace(/\/+$/, '')} ${location.container} ${location.path}`
  }
  if (location.type === 'gs') return `gs ${location.bucket} ${location.path}`
  const endpoint = reveal(location.settings.endpoint ?? settings.endpoint ?? '')
  return `s3 ${endpoint.replace(/\/+$/, '')} ${location.bucket} ${location.path}`
}
