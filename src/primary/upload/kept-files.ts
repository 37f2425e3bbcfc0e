import type { LtxStaging, StagedFile } from '../sync/staging.js'

/**
 * Limits of uploaded files that stay staged, in bytes and number: compaction need not fetch them.
 */
const KEEP_BYTES = 64 * 1024 * 1024
const KEEP_FILES = 512

/**
 * The staged files that are already in the replica, ascending. The newest is always kept: at the
 * next start it proves that the replica is ours.
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

  /** The staged files were discarded. */
  clear(): void {
    this.#files = []
    this.#bytes = 0
  }
}
