import { constants, writeSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** Runs of pages shorter than this are written at once: handing them to another thread would cost more than the copy. Bytes. */
const SYNC_WRITE_MAX = 16 * 1024

/** Every so many bytes the kernel is told to begin with its writing, so that the disk works while pages are still decoded. */
const FLUSH_EVERY = 64 * 1024 * 1024

/** A database file in the making: pages are written in place and in any order; what is not written reads as zeros. */
export class PageFile {
  readonly #handle: FileHandle
  readonly #pageSize: number
  #unflushed = 0
  #flushing: Promise<void> | undefined

  /** `handle` stays the caller's to close. */
  constructor(handle: FileHandle, pageSize: number) {
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

  /**
   * Writes those of a batch's pages that `wanted` says, neighbours in one go. The buffers may be used again once it resolves.
   */
  async write(pgnos: Uint32Array, pages: Uint8Array, count: number, wanted: (pgno: number) => boolean): Promise<void> {
    const pageSize = this.#pageSize
    const writes: Promise<void>[] = []
    for (let i = 0; i < count; ) {
      const first = pgnos[i]!
      let n = 0
      while (i + n < count && pgnos[i + n] === first + n && wanted(first + n)) n++
      const bytes = pages.subarray(i * pageSize, (i + n) * pageSize)
      const position = (first - 1) * pageSize
      this.#unflushed += bytes.length
      if (bytes.length > SYNC_WRITE_MAX) writes.push(this.#writeFully(bytes, position))
      else if (n > 0) writeAllSync(this.#handle.fd, bytes, position)
      i += Math.max(n, 1)
    }
    await settled(writes)
    if (this.#unflushed >= FLUSH_EVERY && !this.#flushing) this.#flush()
  }

  /** What fails here fails again in sync(), which waits for it. */
  #flush(): void {
    this.#unflushed = 0
    this.#flushing = this.#handle.datasync().finally(() => {
      this.#flushing = undefined
    })
    this.#flushing.catch(() => {})
  }

  async #writeFully(bytes: Uint8Array, position: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      at += (await this.#handle.write(bytes, at, bytes.length - at, position + at)).bytesWritten
    }
  }

  async sync(): Promise<void> {
    await this.#flushing
    await this.#handle.sync()
  }

  async close(): Promise<void> {
    await this.#flushing?.catch(() => {})
    await this.#handle.close()
  }
}

function writeAllSync(fd: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, position + at)
}

/** Promise.all that does not return while one of them still uses its buffer. */
async function settled(writes: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(writes)).find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}
