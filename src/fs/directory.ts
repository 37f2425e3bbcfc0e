import { closeSync, constants, open as openCallback, openSync } from 'node:fs'
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { isErrno } from './fs-error.js'
import { syncDescriptor } from './handle.js'
import { applyOwnership, applyOwnershipSync, giveToOwnerOf, type Ownership } from './owner.js'

const { O_DIRECTORY = 0, O_NOFOLLOW = 0, O_RDONLY } = constants
const DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW

const openOf = promisify(openCallback)

/**
 * The running sync of each directory. `next` is the sync of the same directory that starts when the
 * running sync has ended. All calls for the directory that arrive during the running sync wait for
 * `next`.
 */
const syncs = new Map<string, { readonly running: Promise<void>; next: Promise<void> | undefined }>()

/**
 * Syncs a directory, so that new and renamed files survive a power cut. Does nothing on Windows,
 * because Windows has no call that syncs a directory, and NTFS writes directory entries to its
 * journal. Calls during a running sync share the next sync of the directory, because thousands of
 * databases may have their folders in one directory.
 */
export function syncDirectory(directory: string): Promise<void> {
  const current = syncs.get(directory)
  if (!current) return startSync(directory)
  current.next ??= current.running.then(
    () => startSync(directory),
    () => startSync(directory),
  )
  return current.next
}

function startSync(directory: string): Promise<void> {
  const running = syncNow(directory).finally(() => {
    if (syncs.get(directory)?.next === undefined) syncs.delete(directory)
  })
  syncs.set(directory, { running, next: undefined })
  return running
}

async function syncNow(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const fd = await openOf(directory, O_RDONLY)
  try {
    await syncDescriptor(fd)
  } catch (error) {
    // Some network file systems cannot sync a directory, because they write directory entries
    // immediately.
    if (!isErrno(error, 'EINVAL', 'ENOTSUP', 'EBADF')) throw error
  } finally {
    // closeSync() does not wait for the disk, because the process has written nothing through this
    // descriptor.
    closeSync(fd)
  }
}

/**
 * Creates a directory and its missing parents. New directories survive a power cut. New directories
 * get the owner of `ownership`. If `ownership` is undefined, a new directory of root gets the owner
 * of its parent directory. The umask of the process reduces `mode`. Returns whether `directory` is
 * new.
 */
export async function makeDirectory(directory: string, ownership?: Ownership, mode = 0o777): Promise<boolean> {
  const absolute = path.resolve(directory)
  const first = await createAll(absolute, ownership?.directoryMode ?? mode)
  if (first === undefined) return false
  const around = path.dirname(first)
  for (let made = absolute; ; made = path.dirname(made)) {
    await withDirectory(made, async (handle) => {
      if (ownership !== undefined) await applyOwnership(handle, ownership, 'directory')
      else await giveToOwnerOf(around, handle)
    })
    await syncDirectory(path.dirname(made))
    if (made === first) return true
  }
}

/**
 * Creates a directory for files of this program, on the disk of the database. Sets the owner with
 * synchronous calls (see writeOwnDurably), and syncs all parents in parallel.
 */
export async function makeOwnDirectory(directory: string, ownership: Ownership): Promise<void> {
  const absolute = path.resolve(directory)
  const first = await createAll(absolute, ownership.directoryMode)
  if (first === undefined) return
  const parents: string[] = []
  for (let made = absolute; ; made = path.dirname(made)) {
    const fd = openSync(made, DIRECTORY)
    try {
      applyOwnershipSync(fd, ownership, 'directory')
    } finally {
      closeSync(fd)
    }
    parents.push(path.dirname(made))
    if (made === first) break
  }
  await Promise.all(parents.map(syncDirectory))
}

/**
 * Creates a directory and its missing parents. Returns the topmost directory that was created. Does
 * not use the `recursive` option of `mkdir`. Some file systems, such as autofs and /proc, refuse a
 * new directory with ENOENT although its parent exists. On a file system that refuses a directory
 * with ENOENT, `mkdir` of Node.js hangs if `recursive` is set.
 */
async function createAll(directory: string, mode: number): Promise<string | undefined> {
  try {
    await mkdir(directory, { mode })
    return directory
  } catch (error) {
    const parent = path.dirname(directory)
    if (!isErrno(error, 'ENOENT') || parent === directory) return existing(directory, error)
    const first = await createAll(parent, mode)
    try {
      await mkdir(directory, { mode })
    } catch (again) {
      // Another process may have created the directory after the first check.
      await existing(directory, again)
      return first
    }
    return first ?? directory
  }
}

/** Throws `error`, the error of creating `directory`, unless the directory exists. */
async function existing(directory: string, error: unknown): Promise<undefined> {
  const stats = await stat(directory).catch(() => undefined)
  if (stats?.isDirectory()) return
  if (!isErrno(error, 'EEXIST')) throw error
  // A file or a dangling symbolic link exists at this path.
  throw Object.assign(new Error(`ENOTDIR: ${directory} is not a directory`, { cause: error }), { code: 'ENOTDIR' })
}

/**
 * Passes a handle of the directory to `act`. If `act` used the path instead, another user could
 * replace the directory, and root would change the owner of another file.
 */
async function withDirectory(directory: string, act: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(directory, DIRECTORY)
  try {
    await act(handle)
  } finally {
    await handle.close()
  }
}
