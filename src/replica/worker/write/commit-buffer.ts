import type { FileHandle } from 'node:fs/promises'
import { LitestreamError } from '../../../errors.js'
import { writeDurably } from '../../../fs/durable.js'
import { fsError, isErrno } from '../../../fs/fs-error.js'
import { datasyncHandle } from '../../../fs/handle.js'
import { openForUpdate, openOwn } from '../../../fs/open-for-writing.js'
import { removeFile } from '../../../fs/remove.js'
import type { TargetLock } from '../../../fs/target-lock.js'
import {
  type BufferContent,
  type BufferUpload,
  decodeBuffer,
  encodeHeaderRecord,
  encodeRecord,
  encodeUploadRecord,
  RECORD_COMMIT,
} from './buffer-format.js'
import { checkBufferSize, lockBuffer } from './kept-buffer.js'

/**
 * The file that holds acknowledged commits until the store has them. Only one process can open it
 * at a time. An append is durable when it resolves; after an error the file ends at the last
 * durable record.
 */
export class CommitBuffer {
  readonly path: string
  readonly #lock: TargetLock
  #handle: FileHandle
  #length: number
  /** Content of the file when it was opened; undefined: it was empty. */
  readonly found: BufferContent | undefined

  private constructor(file: string, lock: TargetLock, handle: FileHandle, found: BufferContent | undefined) {
    this.path = file
    this.#lock = lock
    this.#handle = handle
    this.found = found
    this.#length = found?.length ?? 0
  }

  /**
   * Throws WRITE_CONFLICT if another process has the buffer open, BUFFER_DAMAGED, DISK_FULL,
   * ACCESS_DENIED.
   */
  static async open(file: string, signal: AbortSignal): Promise<CommitBuffer> {
    const lock = await lockBuffer(file, signal)
    try {
      const handle = await openOwn(file)
      try {
        const { size } = await handle.stat()
        checkBufferSize(file, size)
        const found = decodeBuffer(await handle.readFile(), file)
        if (found) await handle.truncate(found.length)
        return new CommitBuffer(file, lock, handle, found)
      } catch (error) {
        await handle.close()
        throw error
      }
    } catch (error) {
      await lock.release()
      throw error instanceof LitestreamError ? error : fsError(error, 'opening the write buffer', file)
    }
  }

  /**
   * Begins again with commits that follow `txid`, and keeps those in `commits`. Replaces the file
   * atomically.
   */
  async restart(url: string, txid: number, commits: readonly Uint8Array[]): Promise<void> {
    const records = [encodeHeaderRecord({ url, txid }), ...commits.map((one) => encodeRecord(RECORD_COMMIT, one))]
    try {
      this.#length = await writeDurably(this.path, Buffer.concat(records), {})
      await this.#handle.close()
      this.#handle = await openForUpdate(this.path)
    } catch (error) {
      throw fsError(error, 'writing the write buffer', this.path)
    }
  }

  append(commit: Uint8Array): Promise<void> {
    return this.#append(encodeRecord(RECORD_COMMIT, commit))
  }

  /**
   * Records an upload before it begins, so that a restarted process can check whether the store has
   * it.
   */
  noteUpload(upload: BufferUpload): Promise<void> {
    return this.#append(encodeUploadRecord(upload))
  }

  async #append(record: Buffer): Promise<void> {
    try {
      let written = 0
      while (written < record.length) {
        const { bytesWritten } = await this.#handle.write(
          record,
          written,
          record.length - written,
          this.#length + written,
        )
        written += bytesWritten
      }
      await datasyncHandle(this.#handle)
      this.#length += record.length
    } catch (error) {
      // The partial record must not look like a commit to the next process.
      await this.#handle.truncate(this.#length).catch((second: unknown) => {
        if (!isErrno(second, 'ENOSPC', 'EIO')) throw second
      })
      throw fsError(error, 'writing the write buffer', this.path)
    }
  }

  /** `empty`: the store has every commit, so the file is removed. */
  async close({ empty }: { readonly empty: boolean }): Promise<void> {
    await this.#handle.close()
    if (empty) await removeFile(this.path)
    await this.#lock.release()
  }
}
