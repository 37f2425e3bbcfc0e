import { isLitestreamError, LitestreamError } from '../../../errors.js'
import { fsError } from '../../../fs/fs-error.js'
import { openRegular } from '../../../fs/open-regular.js'
import { removeFile } from '../../../fs/remove.js'
import { resolveTarget } from '../../../fs/target.js'
import { TargetLock } from '../../../fs/target-lock.js'
import { type BufferContent, type BufferReading, readBuffer } from './buffer-format.js'

/**
 * Maximum size of a write buffer in bytes. This program never writes a larger write buffer, because
 * local-commits.ts limits the local commits.
 */
const MAX_BUFFER = 1024 * 1024 * 1024

/** A write buffer that a user inspects. The inspection does not change the write buffer. */
export interface KeptBuffer extends BufferReading {
  readonly content: BufferContent
  readonly file: string
  /** Size of the write buffer in bytes. */
  readonly size: number
}

/**
 * Reads a write buffer, even if it is damaged. Throws NOT_FOUND if the file does not exist. Throws
 * INVALID_ARGUMENT for a file that does not begin like a write buffer.
 */
export async function readKeptBuffer(file: string): Promise<KeptBuffer> {
  const bytes = await readWhole(file)
  const { content, damage } = readBuffer(bytes, file)
  if (content) return { file, size: bytes.length, content, damage }
  const why = bytes.length === 0 ? 'the file is empty' : 'the file does not begin with the header of a write buffer'
  throw new LitestreamError('INVALID_ARGUMENT', `${file} is not a write buffer: ${why}`, {
    file,
    hint: 'Give the path of a write buffer. This path is the value of buffer_path (option bufferPath).',
    ...(damage ? { cause: damage } : {}),
  })
}

async function readWhole(file: string): Promise<Buffer> {
  try {
    const { handle, stats } = await openRegular(file)
    try {
      checkBufferSize(file, stats.size)
      return await handle.readFile()
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw fsError(error, 'reading the write buffer', file)
  }
}

/**
 * Deletes a write buffer permanently, and returns its content. Throws WRITE_CONFLICT while a
 * process has the write buffer open.
 */
export async function discardBuffer(file: string): Promise<KeptBuffer> {
  // The file is read before it is locked. If the file were locked first, a lock file could be
  // created beside a file that is not a write buffer.
  await readKeptBuffer(file)
  const lock = await lockBuffer(file, new AbortController().signal)
  try {
    const kept = await readKeptBuffer(file)
    await removeFile((await resolveTarget(file)).path)
    return kept
  } catch (error) {
    throw fsError(error, 'removing the write buffer', file)
  } finally {
    await lock.release()
  }
}

/** Throws BUFFER_DAMAGED for a file that is larger than the maximum size of a write buffer. */
export function checkBufferSize(file: string, size: number): void {
  if (size <= MAX_BUFFER) return
  const what = `the write buffer ${file} has ${size} bytes; the limit is ${MAX_BUFFER} bytes`
  throw new LitestreamError('BUFFER_DAMAGED', what, {
    file,
    hint: 'Check that buffer_path is the path of a write buffer, not of another file.',
  })
}

/**
 * Locks a write buffer against other processes. The lock also holds against a process that uses
 * another symbolic link to the same file. Throws WRITE_CONFLICT.
 */
export async function lockBuffer(file: string, signal: AbortSignal): Promise<TargetLock> {
  try {
    const { path } = await resolveTarget(file)
    return await TargetLock.acquire(path, { use: 'written', wait: false, signal })
  } catch (error) {
    if (!isLitestreamError(error, 'OUTPUT_BUSY')) throw fsError(error, 'locking the write buffer', file)
    throw new LitestreamError('WRITE_CONFLICT', `another writer uses the write buffer ${file}: ${error.message}`, {
      file,
      hint: 'Set a different buffer_path for each process, or stop the process that uses this write buffer.',
      cause: error,
    })
  }
}
