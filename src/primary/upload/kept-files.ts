import type { LtxStaging, StagedFile } from '../sync/staging.js'

/**
 * Maximum total size and maximum number of the uploaded files in the staging folder. Compaction
 * reads these files from local disk instead of the store.
 */
const KEEP_BYTES = 64 * 1024 * 1024
const KEEP_FILES = 512

/**
 * The staged files that are already in the replica, in ascending order. The newest of these files
 * is never deleted. At the next start, this file proves that the files in the replica come from
 * this primary.
 */
export class KeptFiles {
  readonly #staging: LtxStaging
  #files: StagedFile[] = []
  #bytes = 0

  constructor(staging: LtxStaging) {
    this.#staging = staging
  }

  add(file: StagedFile): void {
    this.#files.push(file)
    this.#bytes += file.size
    while (this.#files.length > 1 && (this.#files.length > KEEP_FILES || this.#bytes > KEEP_BYTES)) {
      const oldest = this.#files.shift()!
      this.#bytes -= oldest.size
      this.#staging.remove(oldest.txid)
    }
  }

  /** Must be called after the primary has deleted all staged files. */
  clear(): void {
    this.#files = []
    this.#bytes = 0
  }
}
