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

/** Directories that are being synced; a sync that begins later serves all that wait for it. */
const syncs = new Map<string, { readonly running: Promise<void>; next: Promise<void> | undefined }>()

/**
 * Makes the entries of a directory, such as a new or renamed file, survive a power cut. Does nothing
 * on Windows, which has no such call: NTFS keeps entries consistent with its journal. Calls for
 * one directory that come while it is being synced share the next sync: thousands of databases get
 * their folders in the same directory.
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
    // Some network file systems cannot sync a directory; they write entries immediately.
    if (!isErrno(error, 'EINVAL', 'ENOTSUP', 'EBADF')) throw error
  } finally {
    // Nothing is written to a directory through a descriptor, so that this does not wait.
    closeSync(fd)
  }
}

/**
 * mkdir -p whose new directories survive a power cut. New directories get the owner of `ownership`;
 * without it, directories that root creates belong to the owner of their parent. `mode` is reduced
 * by the umask. Returns whether the directory is new.
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
 * `makeDirectory` for a folder of the program's own, on the disk of the database: what it makes gets
 * its owner by synchronous calls (see writeOwnDurably), and is synced in parallel.
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
 * Makes a directory and its missing parents; returns the first one made. The option `recursive` of
 * Node.js never returns if a file system refuses a directory in an existing one with ENOENT, as
 * autofs and /proc do.
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
      // Another process may have made it meanwhile.
      await existing(directory, again)
      return first
    }
    return first ?? directory
  }
}

/** Throws `error`, why the directory could not be made, unless it exists. */
async function existing(directory: string, error: unknown): Promise<undefined> {
  const stats = await stat(directory).catch(() => undefined)
  if (stats?.isDirectory()) return
  if (!isErrno(error, 'EEXIST')) throw error
  // A file has this name, or a dangling link.
  throw Object.assign(new Error(`ENOTDIR: ${directory} is not a directory`, { cause: error }), { code: 'ENOTDIR' })
}

/**
 * Uses a descriptor: with a path, another user could replace the directory and make root change the
 * owner of another file.
 */
async function withDirectory(directory: string, act: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(directory, DIRECTORY)
  try {
    await act(handle)
  } finally {
    await handle.close()
  }
}
