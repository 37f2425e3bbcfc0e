import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { isErrno } from './fs-error.js'
import { checkRegular, notRegular, roomFor, SMALL_FILE } from './open-regular-sync.js'

const { O_NONBLOCK, O_NOCTTY, O_RDONLY } = constants

export interface RegularFile {
  readonly handle: FileHandle
  /** The result of fstat(2) for `handle`. */
  readonly stats: Stats
}

/**
 * Opens a regular file, and follows symbolic links. Throws STORAGE_FAILED immediately for a named
 * pipe, a socket, a device or a directory. Without O_NONBLOCK, open(2) of a named pipe would wait
 * for another process and block a thread of libuv's pool. Throws errors of the operating system
 * unchanged.
 */
export async function openRegular(file: string, flags: number = O_RDONLY, mode = 0o666): Promise<RegularFile> {
  const handle = await open(file, flags | O_NONBLOCK | O_NOCTTY, mode).catch(async (error: unknown) => {
    if (isErrno(error, 'ENXIO')) throw notRegular(file, await stat(file))
    // Some Samba servers put a lease on an open file. As long as the lease exists, open(2) with
    // O_NONBLOCK fails with EAGAIN. Without O_NONBLOCK, open(2) waits until the server has released
    // the lease.
    if (isErrno(error, 'EAGAIN') && (await stat(file)).isFile()) return open(file, flags, mode)
    throw error
  })
  try {
    return { handle, stats: checkRegular(file, await handle.stat()) }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/**
 * Yields the content of a regular file in chunks of at most `chunkSize` bytes. Reads up to the size
 * that the file had when it was opened. If the file is truncated later, ends at the new end of the
 * file. For each chunk, allocates only as much memory as the rest of the file needs. A stream of
 * Node.js would allocate `chunkSize` bytes twice, even for a small file.
 */
export async function* streamRegular(file: string, chunkSize: number): AsyncGenerator<Uint8Array, void, undefined> {
  const { handle, stats } = await openRegular(file)
  try {
    for (let at = 0; at < stats.size; ) {
      const chunk = new Uint8Array(Math.min(chunkSize, stats.size - at))
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, at)
      if (bytesRead === 0) return
      at += bytesRead
      yield chunk.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}

/**
 * Reads a regular file of at most `limit` bytes. Throws STORAGE_FAILED for a larger file, without
 * reading the file.
 */
export async function readRegular(file: string, limit = SMALL_FILE): Promise<Buffer> {
  const { handle, stats } = await openRegular(file)
  try {
    const data = Buffer.allocUnsafe(roomFor(stats, file, limit))
    let length = 0
    while (length < data.length) {
      const { bytesRead } = await handle.read(data, length, data.length - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return data.subarray(0, length)
  } finally {
    await handle.close()
  }
}
