import { fileIdentity } from '../../../levels/file-identity.js'
import type { FileReader } from '../../../levels/remote-index.js'
import { fileLabel } from '../../../ltx/file-label.js'
import { resolveRange } from '../../../storage/range.js'
import type { ByteRange, LtxFileInfo, ReadOptions, ReadResult } from '../../../storage/replica-client.js'

/**
 * Maximum bytes of cached files. A busy primary writes about this many bytes in the time of a few
 * polls.
 */
const LIMIT = 16 * 1024 * 1024

/**
 * Reads files from the store. Caches the files that the latest polls have read whole. With this
 * cache, a local copy that follows a primary requests no file twice. RecentFiles runs on the worker
 * thread.
 */
export class RecentFiles implements FileReader {
  readonly #store: FileReader
  /** The cached files by identity, oldest first. */
  readonly #files = new Map<string, Uint8Array>()
  #bytes = 0

  constructor(store: FileReader) {
    this.#store = store
  }

  get url(): string {
    return this.#store.url
  }

  /** Adds a file to the cache. `bytes` is the complete content of the file. */
  keep(file: LtxFileInfo, bytes: Uint8Array): void {
    if (bytes.length > LIMIT || this.#files.has(fileIdentity(file))) return
    this.#files.set(fileIdentity(file), bytes)
    this.#bytes += bytes.length
    for (const [identity, { length }] of this.#files) {
      if (this.#bytes <= LIMIT) break
      this.#files.delete(identity)
      this.#bytes -= length
    }
  }

  /** Removes all files from the cache when the local copy no longer needs them. */
  clear(): void {
    this.#files.clear()
    this.#bytes = 0
  }

  async read(file: LtxFileInfo, range: ByteRange, options?: ReadOptions): Promise<ReadResult> {
    const bytes = options?.fresh ? undefined : this.#files.get(fileIdentity(file))
    if (!bytes) return this.#store.read(file, range, options)
    const fileSize = bytes.length
    const { offset, length } = resolveRange(range, fileSize, fileLabel(this, file))
    return { data: bytes.subarray(offset, offset + length), offset, fileSize }
  }
}
