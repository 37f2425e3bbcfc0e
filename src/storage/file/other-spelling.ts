import { stat } from 'node:fs/promises'
import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { isErrno } from '../../fs/fs-error.js'
import { fileUrl } from './location.js'

/**
 * Throws INVALID_URL if the directory `root` does not exist and one of `alternatives` has a
 * replica. Other programs, and other versions of this package, interpret unusual `file:` URLs
 * differently. Without the error, a primary would begin a second replica beside the replica that
 * the user means.
 */
export async function refuseOtherSpelling(root: string, alternatives: readonly string[]): Promise<void> {
  if (alternatives.length === 0 || (await exists(root))) return
  for (const other of alternatives) {
    if (!(await exists(path.join(other, 'ltx'))) && !(await exists(path.join(other, 'generations')))) continue
    throw new LitestreamError(
      'INVALID_URL',
      `${fileUrl(root)} is ${root}, which does not exist; a replica is in ${other}`,
      {
        file: root,
        hint: `To use the existing replica, write ${fileUrl(other)}. To begin a new replica, create the directory ${root}.`,
      },
    )
  }
}

async function exists(name: string): Promise<boolean> {
  try {
    await stat(name)
    return true
  } catch (error) {
    // A folder that this process cannot read does not count as a replica.
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG')) return false
    throw error
  }
}
