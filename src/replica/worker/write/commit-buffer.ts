import type { FileHandle } from 'node:fs/promises'
import { LitestreamError, toLitestreamError } from '../../../errors.js'
import { writeDurably } from '../../../fs/durable.js'
import { fsError } from '../../../fs/fs-error.js'
import { datasyncHandle } from '../../../fs/handle.js'
import { openForUpdate, openOwn } from '../../../fs/open-for-writing.js'
import { removeFile } from '../../../fs/remove.js'
import type { TargetLock } from '../../../fs/target-lock.js'
import {
  type BufferContent,
  type BufferHeader,
  type BufferUpload,
  decodeBuffer,
  encodeHeaderRecord,
  encodeRecord,
  encodeUploadRecord,
  RECORD_COMMIT,
} from './buffer-format.js'
import { checkBufferSize, lockBuffer } from './kept-buffer.js'

/** The state of the replica that the commits of a write buffer follow. */
export type BufferBase = Omit<BufferHeader, 'format'>

/**
 * The write buffer. A write buffer is a file that holds acknowledged commits until the store has
 * these commits. Only one process at a time can open a write buffer. A record is durable when the
 * promise of `append` resolves. After an error, the write buffer ends with the last durable record.
 * Only one call of a CommitBuffer may run at a time.
 */
export class CommitBuffer {
  readonly path: string
  readonly #lock: TargetLock
  #handle: FileHandle
  #length: number
  #base: BufferBase | undefined
  /** Content of the write buffer when it was opened, or undefined if the write buffer was empty. */
  readonly found: BufferContent | undefined

  private constructor(file: string, lock: TargetLock, handle: FileHandle, found: BufferContent | undefined) {
    this.path = file
    this.#lock = lock
    this.#handle = handle
    this.found = found
    this.#length = found?.length ?? 0
  }

  /**
   * Opens a write buffer. Throws WRITE_CONFLICT if another process has the write buffer open. Also
   * throws BUFFER_DAMAGED, DISK_FULL and ACCESS_DENIED.
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
   * Whether the write buffer still has its file name and the commits in the write buffer follow
   * this state of the replica.
   */
  async follows({ url, txid, timestamp }: BufferBase): Promise<boolean> {
    const base = this.#base
    if (base?.url !== url || base.txid !== txid || base.timestamp !== timestamp) return false
    // If the file was removed or replaced, an appended commit would be lost when this process ends.
    return (await this.#handle.stat()).nlink > 0
  }

  /**
   * Replaces the write buffer atomically. The new write buffer has `commits`, which follow `base`.
   * `upload` describes an upload of the first commits. `upload` is set if the outcome of this
   * upload is unknown.
   */
  async restart(base: BufferBase, commits: readonly Uint8Array[], upload?: BufferUpload): Promise<void> {
    const records = [encodeHeaderRecord(base), ...commits.map((one) => encodeRecord(RECORD_COMMIT, one))]
    if (upload) records.push(encodeUploadRecord(upload))
    // Until the new write buffer is complete, the write buffer follows no known state of the
    // replica.
    this.#base = undefined
    try {
      const length = await writeDurably(this.path, Buffer.concat(records), {})
      const handle = await openForUpdate(this.path)
      await this.#handle.close()
      this.#handle = handle
      this.#length = length
      this.#base = base
    } catch (error) {
      throw fsError(error, 'writing the write buffer', this.path)
    }
  }

  append(commit: Uint8Array): Promise<void> {
    return this.#append(encodeRecord(RECORD_COMMIT, commit))
  }

  /**
   * Records an upload before the upload begins, so that a restarted process can check whether the
   * store has the uploaded file.
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
      await this.#dropTail(fsError(error, 'writing the write buffer', this.path))
      throw fsError(error, 'writing the write buffer', this.path)
    }
  }

  /**
   * Removes a record that was written incompletely. If the incomplete record stayed, the next
   * process might take it for a commit. If the removal fails, the outcome of the commit is unknown,
   * because the next process may take the record for a commit.
   */
  async #dropTail(cause: LitestreamError): Promise<void> {
    try {
      await this.#handle.truncate(this.#length)
      await datasyncHandle(this.#handle)
    } catch (error) {
      // Without a base, the next append first writes the whole write buffer again.
      this.#base = undefined
      throw new LitestreamError(
        'COMMIT_UNKNOWN',
        `${cause.message}, and the incomplete record could not be removed: ${toLitestreamError(error).message}`,
        {
          file: this.path,
          cause,
          hint: 'Check the disk. To see whether the transaction was committed, query the database after the next commit or in a new process.',
        },
      )
    }
  }

  /**
   * Closes the write buffer. `empty` is true if the store has every commit. The file is then
   * removed.
   */
  async close({ empty }: { readonly empty: boolean }): Promise<void> {
    await this.#handle.close()
    if (empty) await removeFile(this.path)
    await this.#lock.release()
  }
}
