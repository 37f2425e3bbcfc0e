import type { FileHandle } from 'node:fs/promises'
import { datasyncHandle } from './handle.js'

/** So many bytes go to disk at once while more is being written. */
const FLUSH_BYTES = 8 * 1024 * 1024

/** Brings a long file to disk piece by piece, so that the disk works while the next pieces are made; one piece at a time. */
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

  /** Waits, and throws what went wrong: the system tells each failure once, a later sync would know nothing of it. */
  async end(): Promise<void> {
    await this.settled()
    if (this.#error !== undefined) throw this.#error
  }

  async settled(): Promise<void> {
    await this.#running
  }
}
