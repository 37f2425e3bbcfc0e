import { LitestreamError } from '../errors.js'
import { type Claim, type Overlap, PathClaims } from '../fs/path-claims.js'
import { realPathOf } from '../fs/real-path.js'
import { parseReplicaUrl } from '../storage/url.js'
import { metaDirectory } from './sync/staging.js'

/**
 * Suffixes of the files that SQLite creates in the folder of a database. If the database path is a
 * symbolic link, SQLite creates the -wal, -shm and -journal files in the folder of the link's
 * target.
 */
const SIDE_FILES = ['-wal', '-shm', '-journal'] as const

/** Returns every path to which the replication of a database writes. Throws INVALID_URL. */
export function claimedPaths(database: string, url: string, metaPath?: string): Claim[] {
  const claims: Claim[] = [
    { path: database, tree: false, what: `the database ${database}` },
    ...SIDE_FILES.map((end) => {
      return { path: realPathOf(database) + end, tree: false, what: `the ${end} file of the database ${database}` }
    }),
    { path: metaDirectory(database, metaPath), tree: true, what: `the local files (meta-path) of ${database}` },
  ]
  const location = parseReplicaUrl(url)
  if (location.type === 'file') claims.push({ path: location.path, tree: true, what: `the replica of ${database}` })
  return claims
}

/** Describes two overlapping paths in one sentence. */
export function describeOverlap({ claim, other }: Overlap): string {
  const relation = claim.path === other.path ? 'are the same path' : 'overlap'
  return `${claim.what} (${claim.path}) and ${other.what} (${other.path}) ${relation}`
}

export const OVERLAP_HINT =
  'Give each database, -wal file, meta-path, replica folder and socket a path outside of the others.'

/** Throws INVALID_ARGUMENT if the replication would write to two paths that overlap. */
export function refuseOverlap(database: string, url: string, metaPath?: string): void {
  const overlap = new PathClaims().add(database, claimedPaths(database, url, metaPath))
  if (!overlap) return
  throw new LitestreamError('INVALID_ARGUMENT', describeOverlap(overlap), { file: database, hint: OVERLAP_HINT })
}
