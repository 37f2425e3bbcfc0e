import { LitestreamError } from '../../errors.js'
import { isAbandoned } from '../../fs/temporary.js'
import { LISTING_TIMEOUT } from '../listing.js'
import { isStatus, STATUS } from './errors.js'
import type { RemoteEntry, RemoteFiles } from './remote-files.js'

/** Entries of one directory, those of other programs included, after which its listing is given up. */
const MAX_ENTRIES = 4_000_000

/** The entries of a directory that `wanted` accepts, in no order; none if there is no such directory. Bounded in number and time. */
export async function entriesOf(
  files: RemoteFiles,
  directory: string,
  wanted: (entry: RemoteEntry) => boolean,
  label: string,
): Promise<RemoteEntry[]> {
  const began = performance.now()
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
      if (count > MAX_ENTRIES || performance.now() - began > LISTING_TIMEOUT) throw tooLong(label, count)
      for (const entry of entries) if (wanted(entry)) found.push(entry)
    }
  } finally {
    files.closeLater(handle)
  }
}

function tooLong(label: string, count: number): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `listing ${label} failed: it does not end after ${count} entries`, {
    file: label,
    hint: 'Move the files of other programs to another directory, or replicate to a new path.',
  })
}

/** Makes a directory and those above it, as far as they are missing. */
export async function makeDirectories(files: RemoteFiles, directory: string): Promise<void> {
  try {
    await files.makeDirectory(directory)
  } catch (error) {
    if (isStatus(error, STATUS.noSuchFile) && parentOf(directory) !== directory) {
      await makeDirectories(files, parentOf(directory))
      return makeDirectories(files, directory)
    }
    // Servers tell by no status of its own that it exists, and some say so only of a directory that the user could not make.
    const there = await files.statIfThere(directory)
    if (!there?.isDirectory) throw error
  }
}

/** "." of a name without a slash: what it is relative to exists. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '.' : slash === 0 ? '/' : path.slice(0, slash)
}

/** Removes what writers that died more than an hour ago left in a directory. */
export async function sweep(files: RemoteFiles, directory: string, label: string): Promise<void> {
  const abandoned = await entriesOf(files, directory, ({ name, isFile }) => isFile && isAbandoned(name), label)
  for (const { name } of abandoned) await files.remove(`${directory}/${name}`)
}
