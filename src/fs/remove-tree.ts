import { lstat, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from './fs-error.js'
import { namesIn } from './names-in.js'
import { removeFile } from './remove.js'

/**
 * Returns the regular files below `directory` that have a name for which `isOwn` returns true.
 * Searches `depth` levels of subdirectories, and does not follow symbolic links.
 */
export async function filesBelow(
  directory: string,
  isOwn: (name: string) => boolean,
  depth: number,
): Promise<{ readonly file: string; readonly size: number }[]> {
  const files: { file: string; size: number }[] = []
  for (const name of await namesIn(directory, () => true)) {
    const file = path.join(directory, name)
    const stats = await lstat(file)
    if (stats.isDirectory() && depth > 0) files.push(...(await filesBelow(file, isOwn, depth - 1)))
    else if (stats.isFile() && isOwn(name)) files.push({ file, size: stats.size })
  }
  return files
}

/**
 * Removes `files`, then the empty directories in `directory`, and `directory` itself if it is
 * empty.
 */
export async function removeBelow(directory: string, files: readonly string[]): Promise<void> {
  for (const file of files) await removeFile(file)
  for (const name of await namesIn(directory, () => true)) await removeIfEmpty(path.join(directory, name))
  await removeIfEmpty(directory)
}

async function removeIfEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory)
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR')) throw error
  }
}
