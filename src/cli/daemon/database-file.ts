import { statSync } from 'node:fs'
import { isErrno } from '../../fs/fs-error.js'
import { monotonicMs } from '../../util/monotonic.js'

/**
 * Measures the size of a database file, and how long the file has been missing. Calls only stat,
 * and never throws.
 */
export class DatabaseFile {
  readonly #path: string
  /**
   * Time of the first check that found no file, from `monotonicMs()`, or undefined while the file
   * exists.
   */
  #missingSince: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  look(): { readonly size: number; readonly missingMs: number | undefined } {
    try {
      const { size } = statSync(this.#path)
      this.#missingSince = undefined
      return { size, missingMs: undefined }
    } catch (error) {
      // If stat fails for another reason than a missing file, replication also fails and reports
      // the error.
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) return { size: 0, missingMs: undefined }
      this.#missingSince ??= monotonicMs()
      return { size: 0, missingMs: monotonicMs() - this.#missingSince }
    }
  }
}
