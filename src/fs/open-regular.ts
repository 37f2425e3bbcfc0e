import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { isErrno } from './fs-error.js'
import { checkRegular, notRegular, roomFor, SMALL_FILE } from './open-regular-sync.js'

const { O_NONBLOCK, O_NOCTTY, O_RDONLY } = constants

export interface RegularFile {
  readonly handle: FileHandle
  /** Result of fstat(2) for `handle`. */
  readonly stats: Stats
}

/**
 * Opens a regular file, also through a symbolic link. For a FIFO, a socket, a device or a
 * directory, throws STORAGE_FAILED immediately: open(2) of a FIFO waits for its other end, and
 * would block a thread of libuv's pool. Errors of the system are thrown unchanged.
 */
export async function openRegular(file: string, flags: number = O_RDONLY, mode = 0o666): Promise<RegularFile> {
  const handle = await open(file, flags | O_NONBLOCK | O_NOCTTY, mode).catch(async (error: unknown) => {
    if (isErrno(error, 'ENXIO')) throw notRegular(file, await stat(file))
    // A file with a lease (some Samba servers keep one) can be opened when its holder has released
    // the lease, which takes a moment.
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
 * The bytes that a regular file has when the first piece is requested, in pieces of at most
 * `chunkSize` bytes; fewer if the file becomes shorter. A piece takes no more memory than the rest
 * of the file: a stream of Node.js takes `chunkSize` bytes, twice, also for the smallest file.
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
 * The content of a regular file of at most `limit` bytes; throws STORAGE_FAILED for a larger file
 * without reading further.
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
