import type { FileHandle } from 'node:fs/promises'
import { stat } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fsError } from '../../fs/fs-error.js'
import { streamRegular } from '../../fs/open-regular.js'
import { removeFile } from '../../fs/remove.js'
import { createTemporary } from '../../fs/temporary.js'
import { throwIfAborted } from '../../util/abort.js'

/**
 * Maximum size in bytes of a body that stays in memory. A longer body goes to a file in the
 * system's directory for temporary files.
 */
const IN_MEMORY = 4 * 1024 * 1024

/** Number of bytes of one chunk that is read from the temporary file. */
const CHUNK = 256 * 1024

/** A body whose length is known and that can be sent more than once. */
export interface StagedBody {
  readonly size: number
  open(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>
  remove(): Promise<void>
}

/**
 * Makes a body whose length is known, because WebDAV needs the length before the body. Many servers
 * refuse a body with chunked transfer encoding, or store an empty file. If `localFile` is set, it
 * has the same content as `body`, and the client sends it instead. Throws the errors that `body`
 * throws. Throws DISK_FULL if a large body does not fit on the disk.
 */
export async function stageBody(
  body: Uint8Array | AsyncIterable<Uint8Array>,
  { localFile, signal, what }: { readonly localFile?: string; readonly signal?: AbortSignal; readonly what: string },
): Promise<StagedBody> {
  if (body instanceof Uint8Array) return { size: body.byteLength, open: () => [body], remove: async () => undefined }
  if (localFile !== undefined) {
    const { size } = await stat(localFile).catch((error) => Promise.reject(fsError(error, 'reading', localFile)))
    return { size, open: () => streamRegular(localFile, CHUNK), remove: async () => undefined }
  }
  const parts: Uint8Array[] = []
  let size = 0
  let file: StagedFile | undefined
  try {
    for await (const chunk of body) {
      throwIfAborted(signal, what)
      size += chunk.byteLength
      if (file === undefined && size > IN_MEMORY) {
        file = await StagedFile.create()
        for (const part of parts.splice(0)) await file.append(part)
      }
      // Copies the chunk, because the owner of the chunk may reuse it when the next chunk is
      // requested.
      if (file === undefined) parts.push(Uint8Array.from(chunk))
      else await file.append(chunk)
    }
  } catch (error) {
    await file?.remove()
    throw error
  }
  if (file === undefined) return { size, open: () => parts, remove: async () => undefined }
  const staged = file
  return { size, open: () => staged.chunks(), remove: () => staged.remove() }
}

/**
 * A temporary file for a large body. The file is removed from its directory while it is still open,
 * if the system allows such a removal. The content of a file that was removed while open disappears
 * even if the process is killed.
 */
class StagedFile {
  readonly #path: string
  readonly #handle: FileHandle
  #size = 0

  private constructor(file: string, handle: FileHandle) {
    this.#path = file
    this.#handle = handle
  }

  static async create(): Promise<StagedFile> {
    const target = path.join(os.tmpdir(), 'litestream-ts-upload')
    try {
      const { path: file, handle } = await createTemporary(target)
      if (process.platform !== 'win32') await removeFile(file)
      return new StagedFile(file, handle)
    } catch (error) {
      throw fsError(error, 'writing', target)
    }
  }

  async append(chunk: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < chunk.byteLength; ) {
        const { bytesWritten } = await this.#handle.write(chunk, at, chunk.byteLength - at, this.#size)
        at += bytesWritten
        this.#size += bytesWritten
      }
    } catch (error) {
      throw fsError(error, 'writing', this.#path)
    }
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < this.#size; ) {
      const chunk = new Uint8Array(Math.min(CHUNK, this.#size - at))
      const { bytesRead } = await this.#handle.read(chunk, 0, chunk.byteLength, at)
      if (bytesRead === 0) throw fsError(new Error('the file became shorter during the upload'), 'reading', this.#path)
      at += bytesRead
      yield chunk.subarray(0, bytesRead)
    }
  }

  async remove(): Promise<void> {
    await this.#handle.close()
    if (process.platform === 'win32') await removeFile(this.#path)
  }
}
