import { LitestreamError } from '../../errors.js'
import { BLOCK, type Handle, type RemoteFiles } from './remote-files.js'

/**
 * Number of blocks of one file that the client requests in parallel. 16 blocks of 31 KiB have some
 * 500 KB.
 */
const WINDOW = 16

/**
 * Fills `data` with the bytes of an open file from `offset` on. Several read requests run in
 * parallel. Throws STORAGE_FAILED if the file ends before `data` is full.
 */
export async function readInto(
  files: RemoteFiles,
  handle: Handle,
  data: Uint8Array,
  offset: number,
  name: string,
): Promise<void> {
  let at = 0
  for await (const chunk of chunksOf(files, handle, { start: offset, end: offset + data.byteLength, name })) {
    data.set(chunk, at)
    at += chunk.byteLength
  }
}

export interface ReadPlace {
  readonly start: number
  /** End offset of the bytes to read, exclusive. */
  readonly end: number
  /** Name of the file for messages. */
  readonly name: string
}

/**
 * Yields the bytes of an open file from `start` to `end` in order. The generator requests up to
 * WINDOW blocks in advance.
 */
export async function* chunksOf(
  files: RemoteFiles,
  handle: Handle,
  { start, end, name }: ReadPlace,
): AsyncGenerator<Uint8Array> {
  const reads: Promise<Buffer>[] = []
  let next = start
  try {
    while (next < end || reads.length > 0) {
      while (next < end && reads.length < WINDOW) {
        const length = Math.min(BLOCK, end - next)
        const reading = readBlock(files, handle, next, length, name)
        // A later read may fail while the generator awaits an earlier one, and the generator throws
        // that error only after the earlier bytes.
        reading.catch(() => undefined)
        reads.push(reading)
        next += length
      }
      yield await reads.shift()!
    }
  } finally {
    await Promise.allSettled(reads)
  }
}

/**
 * Reads a whole block. If the server returns fewer bytes than requested, sends further requests for
 * the missing bytes.
 */
async function readBlock(
  files: RemoteFiles,
  handle: Handle,
  position: number,
  length: number,
  name: string,
): Promise<Buffer> {
  const block = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; ) {
    const count = await files.read(handle, block.subarray(at), position + at)
    if (count === 0) {
      throw new LitestreamError('STORAGE_FAILED', `${name} became shorter during the read`, {
        file: name,
        offset: position + at,
        hint: 'Repeat the read. If this error occurs again, check that no other process writes to the replica.',
      })
    }
    at += count
  }
  return block
}
