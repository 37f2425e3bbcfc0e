import { LitestreamError } from '../../errors.js'
import { isStatus, isUnsupported, STATUS } from './errors.js'
import type { RemoteFiles } from './remote-files.js'

/** Milliseconds after which an empty file counts as the claim of a writer that has died. */
const CLAIM_TIMEOUT = 60_000

/**
 * The method with which a server gives a finished file a name that must be free. The client finds
 * out with the first file which method works.
 */
export type NamingMethod =
  /**
   * The method `link` uses hardlink@openssh.com. If several writers create a link with the same
   * name, only one succeeds, and its complete file appears at once.
   */
  | 'link'
  /**
   * The method `claim` claims the name with an empty file. Only one of several writers can create
   * the empty file. posix-rename@openssh.com then replaces the empty file by the finished file.
   */
  | 'claim'
  /**
   * The method `rename` checks that the name is free, and then uses the rename request of SFTP.
   * Between the check and the rename, another writer may take the name, which some servers do not
   * detect.
   */
  | 'rename'

/**
 * Gives the finished file `temporary` the name `target`. Throws PRECONDITION_FAILED if the name is
 * taken. Returns the method that worked, so that the caller can use it for the next file too. If
 * nameOnce() does not throw, the temporary file no longer exists afterwards.
 */
export async function nameOnce(
  files: RemoteFiles,
  temporary: string,
  target: string,
  label: string,
  method: NamingMethod,
): Promise<NamingMethod> {
  switch (method) {
    case 'link':
      if (await linkOnce(files, temporary, target, label)) return 'link'
      return nameOnce(files, temporary, target, label, (await hasPosixRename(files, temporary)) ? 'claim' : 'rename')
    case 'claim':
      if (await claimOnce(files, temporary, target, label)) return 'claim'
      return nameOnce(files, temporary, target, label, 'rename')
    case 'rename':
      await renameOnce(files, temporary, target, label)
      return 'rename'
  }
}

/**
 * Whether the server supports posix-rename@openssh.com. The client must know whether posix-rename
 * works before it creates an empty file that claims a name. Otherwise the client could leave an
 * empty file that other writers would take for a finished file.
 */
async function hasPosixRename(files: RemoteFiles, temporary: string): Promise<boolean> {
  try {
    await files.posixRename(temporary, temporary)
    return true
  } catch (error) {
    if (isUnsupported(error)) return false
    throw error
  }
}

/** Returns false if the server, or the file system on the server, has no hard links. */
async function linkOnce(files: RemoteFiles, temporary: string, target: string, label: string): Promise<boolean> {
  try {
    await files.hardLink(temporary, target)
  } catch (error) {
    if (isUnsupported(error)) return false
    if (!isStatus(error, STATUS.failure, STATUS.permissionDenied)) throw error
    // SFTP reports all causes of a failed link with the same status, so the client checks whether
    // the target exists.
    if ((await files.statIfThere(target)) !== undefined) throw taken(label, error)
    return false
  }
  await files.remove(temporary)
  return true
}

/** Returns false if the server does not support posix-rename@openssh.com. */
async function claimOnce(files: RemoteFiles, temporary: string, target: string, label: string): Promise<boolean> {
  await claim(files, target, label)
  try {
    await files.posixRename(temporary, target)
    return true
  } catch (error) {
    // The empty file is the claim of this writer, whose rename has failed. The empty file must not
    // stay under the name.
    await files.remove(target)
    if (isUnsupported(error)) return false
    throw error
  }
}

async function claim(files: RemoteFiles, target: string, label: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await files.close(await files.create(target))
      return
    } catch (error) {
      if (!isStatus(error, STATUS.failure, STATUS.permissionDenied)) throw error
      const there = await files.statIfThere(target)
      if (there === undefined && attempt === 0) continue // another writer gave its claim up
      if (there === undefined) throw error
      const age = Date.now() - there.mtime * 1000
      if (attempt > 0 || there.size > 0 || age < CLAIM_TIMEOUT) throw taken(label, error)
      await files.remove(target)
    }
  }
}

async function renameOnce(files: RemoteFiles, temporary: string, target: string, label: string): Promise<void> {
  if ((await files.statIfThere(target)) !== undefined) throw taken(label)
  try {
    await files.rename(temporary, target)
  } catch (error) {
    if (isStatus(error, STATUS.failure) && (await files.statIfThere(target)) !== undefined) throw taken(label, error)
    throw error
  }
}

/**
 * Gives the finished file `temporary` the name `target`, and replaces a file that has this name.
 */
export async function replaceWith(files: RemoteFiles, temporary: string, target: string): Promise<void> {
  try {
    await files.posixRename(temporary, target)
  } catch (error) {
    if (!isUnsupported(error)) throw error
    await files.remove(target)
    await files.rename(temporary, target)
  }
}

function taken(label: string, cause?: unknown): LitestreamError {
  return new LitestreamError('PRECONDITION_FAILED', `writing ${label} failed: the file exists`, { cause, file: label })
}
