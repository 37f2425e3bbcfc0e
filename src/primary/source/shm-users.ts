import { readdirSync } from 'node:fs'
import { isErrno } from '../../fs/fs-error.js'
import { native } from '../../native/addon.js'
import { type FileIdentity, identifyDescriptor, isSameFile } from './file-identity.js'

/**
 * The byte of the -shm that a checkpoint locks. See WAL_CKPT_LOCK in SQLite's wal.c and
 * UNIX_SHM_BASE in os_unix.c.
 */
const CHECKPOINT_BYTE = 121
/**
 * The byte of the -shm on which every connection holds a shared lock (UNIX_SHM_DMS in os_unix.c).
 */
const CONNECTED_BYTE = 128

/**
 * Returns the process ID of another process that has the -shm `file` open. The -shm may have been
 * removed. Returns -1 if another process has the -shm open but is not visible to this process.
 * Returns 0 if no other process has the -shm open, and on every system but Linux. `otherShmUser`
 * uses SQLite's own descriptor of the -shm, because closing another descriptor would drop SQLite's
 * locks. `near` is a descriptor that was opened directly after the -shm.
 */
export function otherShmUser(file: FileIdentity, near: number): number {
  const fd = descriptorOf(file, near)
  return fd === undefined ? 0 : native.lockHolder(fd, CONNECTED_BYTE)
}

/**
 * Returns whether another process is running a checkpoint. Always returns false on systems other
 * than Linux.
 */
export function otherCheckpoints(file: FileIdentity, near: number): boolean {
  const fd = descriptorOf(file, near)
  return fd !== undefined && native.lockHolder(fd, CHECKPOINT_BYTE) !== 0
}

function descriptorOf(file: FileIdentity, near: number): number | undefined {
  if (process.platform !== 'linux') return undefined
  const inode = BigInt(file.inode)
  // A process with many databases has hundreds of file descriptors. SQLite's descriptor of the -shm
  // has a number close to `near`.
  const fd = native.nearestDescriptor(inode, near)
  if (fd >= 0 && isDescriptorOf(fd, file)) return fd
  return descriptors().find((each) => isDescriptorOf(each, file))
}

function descriptors(): number[] {
  try {
    return readdirSync('/proc/self/fd').map(Number)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [] // the system has no /proc
    throw error
  }
}

function isDescriptorOf(fd: number, file: FileIdentity): boolean {
  try {
    return isSameFile(identifyDescriptor(fd), file)
  } catch (error) {
    // The list also contains the descriptor with which `readdirSync` read the list. This descriptor
    // is closed now.
    if (isErrno(error, 'EBADF')) return false
    throw error
  }
}
