import type { FileHandle } from 'node:fs/promises'
import { datasyncHandle } from './handle.js'

/** Number of bytes after which written data is flushed to disk in the background. */
const FLUSH_BYTES = 8 * 1024 * 1024

/**
 * Flushes a large file to disk in pieces, so that the disk works while the next pieces are made;
 * one piece at a time.
 */
export class Flushing {
  readonly #handle: FileHandle
  #flushed = 0
  #running: Promise<void> | undefined
  #error: unknown

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /** `size` bytes have been written so far. */
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
   * Waits for the flush and throws its error: the system reports each failure once, so a later sync
   * would not see it.
   */
  async end(): Promise<void> {
    await this.settled()
    if (this.#error !== undefined) throw this.#error
  }

  async settled(): Promise<void> {
    await this.#running
  }
}
