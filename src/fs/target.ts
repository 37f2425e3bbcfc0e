import type { Stats } from 'node:fs'
import { lstat, readlink, realpath, statfs } from 'node:fs/promises'
import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { isErrno } from './fs-error.js'
import { kindOf } from './kind.js'

/** Maximum number of links that Linux follows. */
const MAX_LINKS = 40

/** The type of procfs in statfs(2), where a link can refer to an open file without a name. */
const PROC_FILE_SYSTEM = 0x9fa0

/** The file that is written for a given output path. */
export interface Target {
  /** Absolute, with symbolic links resolved. */
  readonly path: string
  /** Undefined if the file does not exist yet. */
  readonly stats: Stats | undefined
}

/**
 * Follows symbolic links to the file that will be written. Opens nothing, so a FIFO does not block.
 * Throws OUTPUT_EXISTS for a directory, device, FIFO or socket, for a dangling link or a loop of
 * links, and for a descriptor of a process (/dev/stdout).
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
    // Not normalized: `..` after a linked folder means the parent of the link's target.
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

/** Folders that do not exist yet will be created with this path. */
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
    hint: 'Name a regular file, or a path that does not exist yet.',
  })
}
