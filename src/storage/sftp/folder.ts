import { LitestreamError } from '../../errors.js'
import { isAbandoned } from '../../fs/temporary.js'
import { elapsedMs } from '../../util/elapsed.js'
import { LISTING_TIMEOUT } from '../listing.js'
import { isStatus, STATUS } from './errors.js'
import type { RemoteEntry, RemoteFiles } from './remote-files.js'

/** Maximum number of entries of a directory in a listing, including files of other programs. */
const MAX_ENTRIES = 4_000_000

/**
 * Returns the entries of a directory that `wanted` accepts, in no particular order. Returns an
 * empty list if the directory does not exist. Throws if the directory has more than MAX_ENTRIES
 * entries, or if the listing takes too long.
 */
export async function entriesOf(
  files: RemoteFiles,
  directory: string,
  wanted: (entry: RemoteEntry) => boolean,
  label: string,
): Promise<RemoteEntry[]> {
  const began = elapsedMs()
  let count = 0
  const found: RemoteEntry[] = []
  let handle: Buffer
  try {
    handle = await files.openDirectory(directory)
  } catch (error) {
    if (isStatus(error, STATUS.noSuchFile)) return []
    throw error
  }
  try {
    for (;;) {
      const entries = await files.readDirectory(handle)
      if (entries === undefined) return found
      count += entries.length
      if (count > MAX_ENTRIES || elapsedMs() - began > LISTING_TIMEOUT) throw tooLong(label, count)
      for (const entry of entries) if (wanted(entry)) found.push(entry)
    }
  } finally {
    files.closeLater(handle)
  }
}

function tooLong(label: string, count: number): LitestreamError {
  return new LitestreamError(
    'STORAGE_FAILED',
    `listing ${label} failed: the directory has more than ${count} entries`,
    {
      file: label,
      hint: 'Move files that do not belong to the replica to another directory, or replicate to another replica URL.',
    },
  )
}

/** Creates a directory and its missing parents. */
export async function makeDirectories(files: RemoteFiles, directory: string): Promise<void> {
  try {
    await files.makeDirectory(directory)
  } catch (error) {
    if (isStatus(error, STATUS.noSuchFile) && parentOf(directory) !== directory) {
      await makeDirectories(files, parentOf(directory))
      return makeDirectories(files, directory)
    }
    // SFTP has no status for an existing directory. Some servers check the permission to create a
    // directory before they check whether the directory exists. Only a stat of the path therefore
    // shows whether the directory exists.
    const there = await files.statIfThere(directory)
    if (!there?.isDirectory) throw error
  }
}

/**
 * Returns the parent directory of a path. For a path without a slash, the parent is ".", which
 * always exists.
 */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '.' : slash === 0 ? '/' : path.slice(0, slash)
}

/** Removes temporary files of a directory if their writers died more than an hour ago. */
export async function sweep(files: RemoteFiles, directory: string, label: string): Promise<void> {
  const abandoned = await entriesOf(files, directory, ({ name, isFile }) => isFile && isAbandoned(name), label)
  for (const { name } of abandoned) await files.remove(`${directory}/${name}`)
}
