import { constants, writeSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** Runs of pages shorter than this are written at once: handing them to another thread would cost more than the copy. Bytes. */
const SYNC_WRITE_MAX = 64 * 1024

/** A database file in the making: pages are written in place and in any order; what is not written reads as zeros. */
export class PageFile {
  readonly #handle: FileHandle
  readonly #pageSize: number

  private constructor(handle: FileHandle, pageSize: number) {
    this.#handle = handle
    this.#pageSize = pageSize
  }

  /** Creates `path`, or goes on with it. */
  static async open(path: string, pageSize: number): Promise<PageFile> {
    return new PageFile(await open(path, constants.O_RDWR | constants.O_CREAT, 0o666), pageSize)
  }

  /** Cuts or extends to `commit` pages. */
  async resize(commit: number): Promise<void> {
    await this.#handle.truncate(commit * this.#pageSize)
  }

  /** Writes those of a batch's pages that `wanted` says; neighbours in one go. Returns how many. */
  async write(
    pgnos: Uint32Array,
    pages: Uint8Array,
    count: number,
    wanted: (pgno: number) => boolean,
  ): Promise<number> {
    const pageSize = this.#pageSize
    let written = 0
    for (let i = 0; i < count; ) {
      const first = pgnos[i]!
      if (!wanted(first)) {
        i++
        continue
      }
      let n = 1
      while (i + n < count && pgnos[i + n] === first + n && wanted(first + n)) n++
      await this.#writeFully(pages.subarray(i * pageSize, (i + n) * pageSize), (first - 1) * pageSize)
      written += n
      i += n
    }
    return written
  }

  async #writeFully(bytes: Uint8Array, position: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const left = bytes.length - at
      at +=
        left <= SYNC_WRITE_MAX
          ? writeSync(this.#handle.fd, bytes, at, left, position + at)
          : (await this.#handle.write(bytes, at, left, position + at)).bytesWritten
    }
  }

  async sync(): Promise<void> {
    await this.#handle.sync()
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}
