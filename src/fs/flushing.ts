import type { FileHandle } from 'node:fs/promises'
import { datasyncHandle } from './handle.js'

/** Number of newly written bytes after which a flush starts in the background. */
const FLUSH_BYTES = 8 * 1024 * 1024

/**
 * Flushes a large file to disk while the writer produces the next part of the file. At most one
 * flush of the file runs at a time.
 */
export class Flushing {
  readonly #handle: FileHandle
  #flushed = 0
  #running: Promise<void> | undefined
  #error: unknown

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /**
   * Starts a flush if FLUSH_BYTES were written since the previous flush began. `size` is the total
   * number of bytes written to the file.
   */
  wrote(size: number): void {
    if (this.#running || size - this.#flushed < FLUSH_BYTES) return
    this.#flushed = size
    this.#running = this.#flush()
  }

  async #flush(): Promise<void> {
    try {
      await datasyncHandle(this.#handle)
    } catch (error) {
      this.#error = error
    } finally {
      this.#running = undefined
    }
  }

  /**
   * Waits for the running flush. Throws if any flush failed, because the operating system reports a
   * write error only once and a later fsync could succeed.
   */
  async end(): Promise<void> {
    await this.settled()
    if (this.#error !== undefined) throw this.#error
  }

  async settled(): Promise<void> {
    await this.#running
  }
}
