import { closeSync, constants, openSync, renameSync, writeSync } from 'node:fs'
import path from 'node:path'
import { syncDirectory } from './directory.js'
import { writeDurably } from './durable.js'
import { setTimeSync, syncDescriptor } from './handle.js'
import { applyOwnershipSync, type Ownership } from './owner.js'
import { removeFileSync } from './remove.js'
import { replaceFile } from './replace-file.js'
import { temporaryPath } from './temporary.js'

/** Maximum size in bytes of a file that is written with synchronous calls. */
const SHORT = 256 * 1024

const { O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_WRONLY } = constants

export interface OwnWriteOptions {
  /** Modification time to set, in milliseconds since the epoch. */
  readonly mtime: number
  readonly ownership: Ownership
}

/**
 * Does the same as `writeDurably`, for a file that belongs to this program and is on the disk of
 * the database. Writes a short file with synchronous calls, because an asynchronous call on a
 * thread of libuv takes ten times the processor time. Only the two calls that wait for the disk are
 * asynchronous. Each piece of the content must be valid until the next piece is requested. Returns
 * the size of the content in bytes.
 */
export async function writeOwnDurably(
  file: string,
  pieces: AsyncIterable<Uint8Array>,
  options: OwnWriteOptions,
): Promise<number> {
  const iterator = pieces[Symbol.asyncIterator]()
  const start: Uint8Array[] = []
  let size = 0
  for (;;) {
    const next = await iterator.next()
    if (next.done) break
    start.push(Uint8Array.prototype.slice.call(next.value))
    size += next.value.byteLength
    if (size > SHORT) return writeDurably(file, resumed(start, iterator), options)
  }
  await writeShort(file, start, options)
  return size
}

async function* resumed(start: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* start
  yield* { [Symbol.asyncIterator]: () => rest }
}

async function writeShort(
  file: string,
  pieces: readonly Uint8Array[],
  { mtime, ownership }: OwnWriteOptions,
): Promise<void> {
  const temporary = temporaryPath(file)
  const fd = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    try {
      for (const piece of pieces) for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at)
      applyOwnershipSync(fd, ownership, 'file')
      setTimeSync(fd, mtime)
      await syncDescriptor(fd)
    } finally {
      closeSync(fd)
    }
    if (process.platform === 'win32') await replaceFile(temporary, file)
    else renameSync(temporary, file)
  } catch (error) {
    removeFileSync(temporary)
    throw error
  }
  await syncDirectory(path.dirname(file))
}
