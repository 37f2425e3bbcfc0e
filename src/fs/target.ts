import type { Stats } from 'node:fs'
import { lstat, readlink, realpath, statfs } from 'node:fs/promises'
import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { isErrno } from './fs-error.js'
import { kindOf } from './kind.js'

/** Maximum number of symbolic links that Linux follows in one path. */
const MAX_LINKS = 40

/**
 * The type number of procfs that statfs(2) returns. A symbolic link in procfs can refer to an open
 * file that has no name.
 */
const PROC_FILE_SYSTEM = 0x9fa0

/** The file that a program writes for an output path. */
export interface Target {
  /** Absolute path of the file, with symbolic links resolved. */
  readonly path: string
  /** Result of lstat(2) for the file, or undefined if the file does not exist. */
  readonly stats: Stats | undefined
}

/**
 * Follows the symbolic links of an output path to the file that will be written. Does not open the
 * file, so a named pipe does not block the process. Throws OUTPUT_EXISTS if the path leads to
 * anything but a regular file or a new name, such as a directory, a device, a dangling link or
 * /dev/stdout.
 */
export async function resolveTarget(file: string): Promise<Target> {
  let hop = path.resolve(file)
  for (let links = 0; ; links++) {
    const stats = await lstatIfThere(hop)
    if (stats === undefined) {
      if (links > 0) throw refused(file, `is a symbolic link to ${hop}, which does not exist`)
      return { path: await behindFolders(hop), stats: undefined }
    }
    if (!stats.isSymbolicLink()) {
      if (!stats.isFile()) throw refused(file, `is ${kindOf(stats)}${links > 0 ? ` (${hop})` : ''}`)
      return { path: await behindFolders(hop), stats }
    }
    const directory = await realpath(path.dirname(hop))
    if (await isProcFs(directory)) throw refused(file, 'names an open file of a process')
    if (links === MAX_LINKS) throw refused(file, 'is a symbolic link in a loop')
    const next = await readlink(hop)
    // The joined path is not normalized, because `..` after a symbolic link to a folder means the
    // parent of the link's target.
    hop = path.isAbsolute(next) ? next : `${directory}${path.sep}${next}`
  }
}

async function lstatIfThere(file: string): Promise<Stats | undefined> {
  try {
    return await lstat(file)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/**
 * Resolves the symbolic links of the folder. Returns `file` unchanged if the folder does not exist,
 * because the caller will create the folder at that path.
 */
async function behindFolders(file: string): Promise<string> {
  try {
    return path.join(await realpath(path.dirname(file)), path.basename(file))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return file
    throw error
  }
}

async function isProcFs(directory: string): Promise<boolean> {
  if (process.platform !== 'linux') return false
  return (await statfs(directory)).type === PROC_FILE_SYSTEM
}

function refused(file: string, what: string): LitestreamError {
  return new LitestreamError('OUTPUT_EXISTS', `${file} ${what}; only a regular file can be replaced`, {
    file,
    hint: 'Choose an output path that names a regular file or that does not exist yet.',
  })
}
