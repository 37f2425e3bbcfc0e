import { chmod, chown, stat } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from './fs-error.js'

/** Who owns what a replica writes, and with which mode: the same as the database's, so that whoever reads one can read the other. */
export interface Ownership {
  readonly uid: number
  readonly gid: number
  readonly fileMode: number
  readonly directoryMode: number
}

/** Files are like the database, directories like the one it lies in. Undefined while there is no database. */
export async function ownershipLike(database: string): Promise<Ownership | undefined> {
  try {
    const [file, directory] = await Promise.all([stat(database), stat(path.dirname(path.resolve(database)))])
    return { uid: file.uid, gid: file.gid, fileMode: file.mode & 0o777, directoryMode: directory.mode & 0o777 }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

/** Sets mode and, as far as this process may, the owner: only root may give files away, so EPERM there is no fault. */
export async function applyOwnership(target: string, ownership: Ownership, kind: 'file' | 'directory'): Promise<void> {
  await chmod(target, kind === 'file' ? ownership.fileMode : ownership.directoryMode)
  try {
    await chown(target, ownership.uid, ownership.gid)
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'EINVAL', 'ENOSYS')) throw error
  }
}
