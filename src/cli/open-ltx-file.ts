import type { FileHandle } from 'node:fs/promises'
import { isLitestreamError, LitestreamError, toLitestreamError } from '../errors.js'
import { openRegular } from '../fs/open-regular.js'
import { inspectLtx, type LtxSummary } from '../ltx/inspect.js'

function fileError(path: string, cause: unknown): LitestreamError {
  const { code, message } = cause as NodeJS.ErrnoException
  // openRegular throws a LitestreamError if the path is not that of a regular file.
  if (isLitestreamError(cause)) {
    const hint = 'Give the path of each LTX file. The path of a directory or of a special file is not accepted.'
    return new LitestreamError('INVALID_ARGUMENT', message, { cause, file: path, hint })
  }
  if (code === 'ENOENT')
    return new LitestreamError('NOT_FOUND', `no such file: ${path}`, {
      cause,
      file: path,
      hint: 'Check the path; `litestream-ts ltx URL` lists the files of a replica.',
    })
  const { hint } = toLitestreamError(cause)
  const ours = code === 'EACCES' || code === 'EPERM' ? 'ACCESS_DENIED' : 'INVALID_ARGUMENT'
  return new LitestreamError(ours, `cannot read ${path}: ${message}`, { cause, file: path, hint })
}

async function readAt(handle: FileHandle, path: string, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  try {
    const { bytesRead } = await handle.read(bytes, 0, length, offset)
    return bytes.subarray(0, bytesRead)
  } catch (cause) {
    throw fileError(path, cause)
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return (await openRegular(path)).handle
  } catch (cause) {
    throw fileError(path, cause)
  }
}

async function withFile<T>(path: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await openFile(path)
  try {
    return await use(handle)
  } finally {
    await handle.close()
  }
}

/** Reads a local LTX file and returns a summary. Throws LTX_CORRUPT, NOT_FOUND or ACCESS_DENIED. */
export function inspectFile(path: string): Promise<LtxSummary> {
  return withFile(path, async (handle) => {
    const { size } = await handle.stat()
    return inspectLtx((offset, length) => readAt(handle, path, offset, length), size, path)
  })
}

/**
 * Yields the content of a local file in chunks. Errors of opening and reading the file are
 * LitestreamErrors.
 */
export async function* readFileBytes(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const handle = await openFile(path)
  try {
    for (let offset = 0; ; ) {
      const bytes = await readAt(handle, path, offset, 1 << 20)
      if (bytes.length === 0) return
      offset += bytes.length
      yield bytes
    }
  } finally {
    await handle.close()
  }
}
